#!/usr/bin/env bash
# Runs Python with numpy, pyarrow and blake3, which it installs into target/python the first time.
#
#     scripts/python.sh SCRIPT ARGUMENTS...
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/target/python"
packages=("numpy>=2" "pyarrow>=21" "blake3>=1.0")

install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2
    else
        echo "please install $*" >&2
        exit 1
    fi
}

if [ ! -e "$venv/ready" ]; then
    command -v python3 >/dev/null || install python3 python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
    rm -rf "$venv"
    mkdir -p "$root/target"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "${packages[@]}" >&2
    touch "$venv/ready"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" "$@"
