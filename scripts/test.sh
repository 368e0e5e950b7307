#!/usr/bin/env bash
# Everything, installing what it needs, on a machine with Rust and nothing else. The first failure ends it with an error.
#
# What it installs goes below target/ (Python packages) or to cargo's own folders; python3-venv comes with apt-get, for root, where it
# is missing. The closing lines of every test runner are printed again at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

command -v cargo >/dev/null || { echo "Rust is missing: see https://rustup.rs" >&2; exit 1; }
if ! command -v cc >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "a C compiler is missing: install gcc" >&2; exit 1; }
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends gcc libc6-dev
fi
built="${CARGO_TARGET_DIR:-target}"
mkdir -p target/tmp
export TMPDIR="$PWD/target/tmp" # nothing is left elsewhere
log="target/test-output.txt"
: >"$log"

scripts/check.sh --native # what is for browsers is built below

say "tests with all features, against real servers"
servers="$(scripts/servers.sh start)"
trap 'scripts/servers.sh stop' EXIT
eval "$servers"
# One build for all of them; that the program compiles without them was checked above.
cargo test --locked --workspace --features vecdelta/postgres,vecdelta/nats,vecdelta/ruvector 2>&1 | tee -a "$log"

say "release build"
cargo build --locked --release -p vecdelta -p vecdelta-benches --bin vecdelta --bin instructions # as scripts/instructions.sh does

say "the inspector's window on a screen in memory"
scripts/test_window.sh "$built/debug/vecdelta-inspector" 2>&1 | tee -a "$log"

say "histories made by the program, read by docs/read_vecdelta.py"
scripts/python.sh scripts/test_reader.py --program "$built/release/vecdelta" 2>&1 | tee -a "$log"

say "instructions of hot loops, compared with benches/instructions.txt"
if [ "$(uname -m)" = x86_64 ]; then
    scripts/instructions.sh 2>&1 | tee -a "$log"
else
    echo "LEFT OUT: the figures are of x86-64"
fi

say "what runs in a browser"
scripts/test-web.sh 2>&1 | tee -a "$log"

say "closing lines"
grep -E '^test result:|^([a-z/.]+: )?[0-9]+ passed, [0-9]+ failed$' "$log"
echo "all passed"
