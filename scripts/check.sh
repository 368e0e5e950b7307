#!/usr/bin/env bash
# Lints, the rules of ARCHITECTURE.md, and the browser target where it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
say "format"
cargo fmt --all --check

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "clippy, with all wires"
cargo clippy --locked -p vecdelta --all-targets --features postgres -- -D warnings

say "the rules of ARCHITECTURE.md"
scripts/python.sh scripts/tidy.py

say "the kernels for the browser"
if rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown; then
    cargo check --locked -p vecdelta-kernels --target wasm32-unknown-unknown
else
    echo "LEFT OUT: the target wasm32-unknown-unknown is not installed (rustup target add wasm32-unknown-unknown)"
fi
