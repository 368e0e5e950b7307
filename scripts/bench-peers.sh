#!/usr/bin/env bash
# Measures vecdelta and its peers side by side on the same files; see benches/peers/README.md.
#
#     scripts/bench-peers.sh [--rows 100000] [--epochs 20] [--patterns W1,W2,W3,W4,debian] [--tools NAME,...] [--runs 3]
#
# Installs the peers from PyPI into target/peers/python, and from apt, for root, what is missing of zstd, xdelta3 and strace. What
# cannot be installed is named here and stands in the table as not measured. Needs 20 GB of disk at full size. Results: target/peers/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="target/peers/python"
packages=("numpy>=2" "pyarrow>=21" pylance deltalake icechunk "zarr>=3" tiledb duckdb)

for program in zstd xdelta3 strace; do
    command -v "$program" >/dev/null && continue
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$program" >&2 && continue
    fi
    echo "NOT INSTALLED: $program" >&2
done

if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p target/peers
    scripts/python.sh -m venv "$venv"
    missing=0
    for package in "${packages[@]}"; do
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir "$package" >&2 && continue
        echo "NOT INSTALLED: $package" >&2
        missing=1
    done
    [ "$missing" = 1 ] || touch "$venv/ready" # what is missing is tried again the next time
fi

cargo build --release --locked -p vecdelta -p vecdelta-benches --bins
export VECDELTA="${CARGO_TARGET_DIR:-target}/release/vecdelta" VECDELTA_WARM="${CARGO_TARGET_DIR:-target}/release/warm" PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" benches/peers/run.py "$@"
