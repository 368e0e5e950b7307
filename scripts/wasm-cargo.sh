#!/usr/bin/env bash
# Runs cargo for wasm32-unknown-unknown: with rustup's target where it is installed, otherwise with Debian's rustc-web and a standard
# library that is built along.
#
#     scripts/wasm-cargo.sh check -p vecdelta --no-default-features
#     VECDELTA_SMALL=1 scripts/wasm-cargo.sh build -p vecdelta-wasm
#
# For root on Debian the packages are installed when they are missing.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
target=wasm32-unknown-unknown
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/web${VECDELTA_SMALL:+-small}"

if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    exec cargo "$@" --target "$target"
fi

if ! [ -x /usr/bin/rustc ] || ! compgen -G "/usr/src/rustc-*/library/Cargo.toml" >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "the browser target is missing: rustup target add $target, or apt-get install rustc-web cargo-web rust-web-src" >&2
        exit 1
    fi
    apt-get -o DPkg::Lock::Timeout=300 update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends \
        rustc-web cargo-web rust-web-src >&2
fi

# Debian's rustc comes without a linker for wasm; rustup's brings one.
linker="$(command -v wasm-ld || true)"
if [ -z "$linker" ]; then
    linker="$(ls "$(rustc --print sysroot)"/lib/rustlib/*/bin/rust-lld 2>/dev/null | head -1)"
fi
[ -n "$linker" ] || { echo "no linker for wasm: install lld" >&2; exit 1; }
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
unset RUSTUP_TOOLCHAIN
# The package is part of other people's pages: the standard library's small variants, and a panic is a trap without a text.
small=()
if [ -n "${VECDELTA_SMALL:-}" ]; then
    small=(-Zbuild-std-features=optimize_for_size)
    export RUSTFLAGS="${RUSTFLAGS:-} -Zlocation-detail=none -Zunstable-options -Cpanic=immediate-abort"
fi
exec /usr/bin/cargo "$@" -Zbuild-std=std,panic_abort "${small[@]}" --target "$target"
