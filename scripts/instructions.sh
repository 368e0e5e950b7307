#!/usr/bin/env bash
# Counts the instructions of hot loops and of two small ingests, and compares them with benches/instructions.txt.
#
#     scripts/instructions.sh            ends with 1 if a figure is more than 5 % away
#     scripts/instructions.sh --accept   writes the figures of now into benches/instructions.txt
#
# Counted by valgrind (callgrind), which is installed with apt-get, for root, where it is missing. A count is no time: it does not
# tell of caches and branches. But it is the same on a busy machine, and what grows in it has grown in the code.
#
# Why 5 %: the same program counted three times gave the same figures for loops, and 0.1 % others for an ingest, whose threads wait for
# each other as it happens. The rest is for what is no fault: a change elsewhere that makes the compiler inline otherwise, another libc. A
# copy too many or a lost vector loop costs far more than 5 %.
#
# What would differ from machine to machine is fixed: valgrind runs no AVX-512, so the AVX2 forms are counted wherever the processor has
# them (without, this script says so and ends with 2: nothing was compared); the C library chooses its copies by a fixed size of the caches;
# one thread loops over rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

accept=0
[ "${1:-}" = --accept ] && accept=1
figures=benches/instructions.txt
release="${CARGO_TARGET_DIR:-target}/release"
mkdir -p target/tmp
work="$(mktemp -d "$PWD/target/tmp/instructions-XXXXXX")"
trap 'rm -rf "$work"' EXIT

if ! command -v valgrind >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "valgrind is missing: install it" >&2; exit 2; }
    apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends valgrind >&2
fi
for feature in avx2 fma f16c bmi1 bmi2; do
    grep -qw "$feature" /proc/cpuinfo || { echo "nothing was compared: this processor has no $feature" >&2; exit 2; }
done
# Both at once: then the engine is built with the same features, and once.
cargo build --quiet --locked --release -p vecdelta -p vecdelta-benches --bin vecdelta --bin instructions

export RAYON_NUM_THREADS=1
export GLIBC_TUNABLES=glibc.cpu.x86_non_temporal_threshold=0x300000:glibc.cpu.x86_rep_movsb_threshold=0x800

# Runs a program; prints how many instructions it took, or the function that is named.
count() {
    local toggle=()
    [ -z "$1" ] || toggle=("--toggle-collect=$1")
    shift
    valgrind --tool=callgrind "${toggle[@]}" --callgrind-out-file="$work/out" "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 2; }
    sed -n 's/^==[0-9]*== Collected : \([0-9]*\).*/\1/p' "$work/said"
}

figure() { # NAME FUNCTION COMMAND...
    local name="$1" counted
    shift
    counted="$(count "$@")"
    printf '%s\t%s\n' "$name" "$counted" >>"$work/now"
}

"$release/instructions" >"$work/names"
while read -r name; do figure "$name" '*counted*' "$release/instructions" "$name"; done <"$work/names"
tables=datasets/debian
figure "ingest, first epoch" '' "$release/vecdelta" ingest "$work/repo" "$tables/0-bullseye.parquet" --id package
figure "ingest, second epoch" '' "$release/vecdelta" ingest "$work/repo" "$tables/1-bookworm.parquet" --id package
figure "export" '' "$release/vecdelta" export "$work/repo" --at main~1 --output "$work/out.arrow"

if [ "$accept" = 1 ]; then
    { echo "# Instructions, by scripts/instructions.sh --accept; $(rustc --version)"; cat "$work/now"; } >"$figures"
    echo "wrote $figures"
    exit
fi
python3 - "$figures" "$work/now" <<'PYTHON'
import sys

def read(path):
    lines = [l.rstrip("\n").split("\t") for l in open(path) if not l.startswith("#")]
    return {name: int(count) for name, count in lines}

known, now = read(sys.argv[1]), read(sys.argv[2])
away = 0
for name in [*now, *(n for n in known if n not in now)]:
    old, new = known.get(name), now.get(name)
    change = new / old - 1 if old and new else None
    bad = change is None or abs(change) > 0.05
    away += bad
    print(f"{'AWAY' if bad else 'ok':5} {name:22} {old or '-':>13} {new or '-':>13} {'' if change is None else f'{change:+.1%}'}")
if away:
    taken = open(sys.argv[1]).readline().rstrip().rpartition("; ")[2]
    print(f"""
{away} of {len(now)} figures are more than 5 % away from {sys.argv[1]} (taken with {taken}).
More instructions: find out which change brought them; `callgrind_annotate` tells functions. Fewer, or more for a good reason:
    scripts/instructions.sh --accept
and commit {sys.argv[1]} with the change and a word why.""")
    sys.exit(1)
print(f"{len(now)} passed, 0 failed")
PYTHON
