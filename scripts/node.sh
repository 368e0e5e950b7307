#!/usr/bin/env bash
# Installs what the browser's build and tests need from npm into target/tools/npm, and runs Node with it.
#
#     scripts/node.sh install
#     scripts/node.sh run SCRIPT ARGUMENTS...
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
npm="$root/target/tools/npm"
packages=(binaryen@132.0.0 typescript@7.0.2 playwright-core@1.65.1)

if [ "$(cat "$npm/ready" 2>/dev/null)" != "${packages[*]}" ]; then
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            echo "please install node and npm" >&2
            exit 1
        fi
        apt-get -o DPkg::Lock::Timeout=300 update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends nodejs npm >&2
    fi
    mkdir -p "$npm"
    npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$npm" "${packages[@]}" >&2
    printf '%s' "${packages[*]}" >"$npm/ready"
fi
[ "${1:-}" = run ] || exit 0
shift
NODE_PATH="$npm/node_modules" exec node "$@"
