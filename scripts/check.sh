#!/usr/bin/env bash
# Lints, the rules of ARCHITECTURE.md, and whether the engine compiles for browsers.
#
#     scripts/check.sh             all of it
#     scripts/check.sh --native    without the browsers'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
say "format"
cargo fmt --all --check

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "clippy, with all features"
cargo clippy --locked -p vecdelta --all-targets --features postgres,nats,ruvector -- -D warnings

say "the rules of ARCHITECTURE.md"
scripts/python.sh scripts/tidy.py

[ "${1:-}" != --native ] || exit 0
say "the engine for the browser"
scripts/wasm-cargo.sh check --locked -p vecdelta -p vecdelta-wasm --no-default-features
