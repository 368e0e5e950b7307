#!/usr/bin/env bash
# Builds what runs in a browser and tests it: the package under Node.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p target/tmp
log=target/tmp/web-tests.txt

scripts/build-web.sh package

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
