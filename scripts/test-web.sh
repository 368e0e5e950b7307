#!/usr/bin/env bash
# Builds what runs in a browser and tests it: the package under Node, the inspector's page in a headless Chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p target/tmp
log=target/tmp/web-tests.txt

scripts/build-web.sh

# run TEST: shows what failed, or one line
run() {
    if ! scripts/node.sh run --test --test-reporter=tap "$1" >"$log" 2>&1; then
        cat "$log"
        exit 1
    fi
    local count
    count() { sed -n "s/^# $1 //p" "$log"; }
    # One that was left out would read as passed.
    [ "$(count skipped)" = 0 ] && [ "$(count todo)" = 0 ] || { cat "$log"; exit 1; }
    printf '%s: %d passed, %d failed\n' "$1" "$(count pass)" "$(count fail)"
}

run wasm/tests/package.mjs
if [ -d inspector/web/dist ]; then
    if ! command -v chromium >/dev/null; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "please install chromium" >&2; exit 1; }
        apt-get -o DPkg::Lock::Timeout=300 update -q >&2
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends chromium >&2
    fi
    run inspector/web/tests/page.mjs
    run inspector/web/tests/hostile.mjs
fi
