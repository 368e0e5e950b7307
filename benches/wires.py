#!/usr/bin/env python3
"""Measures NATS and PostgreSQL as pipelines use them: the whole program, from files to the server and back.

    eval "$(scripts/servers.sh start)"
    cargo build --release --locked -p vecdelta --features postgres,nats
    scripts/python.sh benches/wires.py [--bin target/release/vecdelta] [--rows 40000] [--times 3]
    scripts/servers.sh stop

Needs numpy and pyarrow for the data, and psql. Each row is a run of the whole program with its start; the best of --times runs, with the slowest
beside it. Prints Markdown. Takes about two minutes; on a machine with other work the sizes can be made smaller.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--bin", default=str(ROOT / "target/release/vecdelta"))
ap.add_argument("--rows", type=int, default=40_000)
ap.add_argument("--dims", type=int, default=384)
ap.add_argument("--epochs", type=int, default=5)
ap.add_argument("--times", type=int, default=3)
ap.add_argument("--longest", type=float, default=60, help="seconds after which a run is given up")
ap.add_argument("--dir", default=None, help="where files and repositories go; a directory for temporary files otherwise")
ap.add_argument("--only", default="", help="only rows of the table that hold this text; those that they need are run all the same")
A = ap.parse_args()
PARTITIONS = 8


def wanted(name):
    if name not in os.environ:
        sys.exit(f'{name} is not set: eval "$(scripts/servers.sh start)"')
    return os.environ[name]


NATS, POSTGRES = wanted("VECDELTA_TEST_NATS"), wanted("VECDELTA_TEST_POSTGRES")
if not shutil.which("psql"):
    sys.exit("psql is missing")
if not os.access(A.bin, os.X_OK):
    sys.exit(f"{A.bin} is missing: cargo build --release --locked -p vecdelta --features postgres,nats")
A.bin = os.path.abspath(A.bin)


def run_all(folder, *runs):
    """Starts runs at once and waits for all; returns the time until the last ended, and their reports."""
    began = time.monotonic()
    started = [
        subprocess.Popen([A.bin, "run", *words, "--json"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for words in runs
    ]
    reports = []
    try:
        for run, words in zip(started, runs):
            out, err = run.communicate(timeout=max(1, A.longest - (time.monotonic() - began)))
            if run.returncode:
                sys.exit(f"run {' '.join(words)} ended with {run.returncode}: {err.decode(errors='replace')}")
            reports.append(json.loads(out))
    except subprocess.TimeoutExpired:
        sys.exit(f"run {' '.join(words)} took longer than {A.longest:g} s")
    finally:
        for run in started:
            if run.poll() is None:
                run.kill()
                run.wait()
    return time.monotonic() - began, reports


def psql(sql, check=True):
    done = subprocess.run(["psql", POSTGRES, "-Atqc", sql], stdout=subprocess.PIPE, check=check, text=True)
    return done.stdout.strip()


class Bench:
    """Pipelines of which each time has streams, tables and repositories of its own."""

    def __init__(self, folder):
        self.folder, self.base, self.tables = folder, f"bench{os.getpid()}", []

    def write(self, name, text):
        (self.folder / f"{name}.toml").write_text("config_version = 1\n" + text)
        return f"{name}.toml"

    def measure(self, what, count, rows, prepare, needed=False):
        """Prints a row: `prepare(turn)` gives what is started at once, which must have read so many rows together. What others
        need is run, printed or not."""
        if A.only not in what and not needed:
            return
        seconds = []
        for turn in range(A.times):
            took, reports = run_all(self.folder, *prepare(turn))
            seconds.append(took)
            read = sum(own["rows_read"] for report in reports for own in report.get("partitions", [report]))
            if read != rows:
                sys.exit(f"{what}: {read:,} rows were read, of {rows:,}")
        if A.only in what:
            best = min(seconds)
            print(f"| {what} | {best:.2f} s | {max(seconds):.2f} s | {count / best:,.0f} |", flush=True)

    def run(self):
        files = lambda store: (
            f'[pipeline]\nstore = "{store}"\n[source.t]\nkind = "parquet"\npath = "e/*.parquet"\nmissing = "delete"\n'
        )
        place = lambda turn: (
            f'kind = "nats"\nurl = "{NATS}"\nstream = "{self.base}-{turn}"\nsubject = "{self.base}-{turn}"\npartitions = {PARTITIONS}\n'
        )
        window = '[window.live]\nclose = { after = "1s", count = 5000 }\n'
        _, [report] = run_all(self.folder, [self.write("first", files("first.vd"))])
        deltas = sum(c["inserted"] + c["updated"] + c["deleted"] for c in report["commits"])
        whole = report["rows_read"]
        print(f"{deltas:,} deltas of {A.epochs} epochs of {A.rows:,} x {A.dims}; {PARTITIONS} partitions.\n")
        print("| what | best | slowest | deltas a second |\n|---|---|---|---|", flush=True)

        self.measure("files into a repository", deltas, whole, lambda n: [[self.write(f"plain{n}", files(f"plain{n}.vd"))]])
        published = lambda n: self.write(f"publish{n}", files(f"publish{n}.vd") + "[sink.bus]\n" + place(n))
        self.measure("and on into NATS", deltas, whole, lambda n: [[published(n)]], needed="NATS" in A.only or "worker" in A.only)

        def followed(name, store, n):
            return self.write(f"{name}{n}", f'[pipeline]\nstore = "{store}"\n[source.t]\n{place(n)}follow = false\n{window}')

        self.measure("NATS into one repository", deltas, deltas, lambda n: [[followed("whole", f"whole{n}.vd", n)]])
        parts = lambda name, n: followed(name, f"{name}{n}-{{partition}}.vd", n)
        one = lambda n: [[parts("one", n), "--partition", "1/1"]]
        self.measure(f"NATS into {PARTITIONS} repositories, one worker", deltas, deltas, one)
        two = lambda n: [[parts("two", n), "--partition", f"{k}/2"] for k in (1, 2)]
        self.measure(f"NATS into {PARTITIONS} repositories, two workers", deltas, deltas, two)

        def table(n):
            name = f"{self.base}_{n}"
            if name not in self.tables:
                self.tables.append(name)
            return f'kind = "postgres"\nurl = "{POSTGRES}"\ntable = "{name}"\n'

        written = lambda n: self.write(f"out{n}", files(f"out{n}.vd") + "[sink.table]\n" + table(n))
        self.measure("files into a repository and PostgreSQL", deltas, whole, lambda n: [[written(n)]], "rows" in A.only)
        if not self.tables:
            return
        for name in self.tables:
            psql(f"ALTER TABLE {name} ADD changed xid8 NOT NULL DEFAULT pg_current_xact_id(); CREATE INDEX ON {name} (changed)")
        rows = int(psql(f"SELECT count(*) FROM {self.tables[0]}"))
        version = 'version = "changed"\nfollow = false\n'
        read = lambda n: self.write(f"in{n}", f'[pipeline]\nstore = "in{n}.vd"\n[source.t]\n{table(n)}{version}{window}')
        self.measure(f"{rows:,} rows of PostgreSQL into a repository", rows, rows, lambda n: [[read(n)]])


def conditions():
    there = shutil.which("nats-server")
    nats = there and subprocess.run([there, "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    print(f"{os.cpu_count()} cores, load {load:.1f} before; {nats or 'NATS'}, PostgreSQL {psql('SHOW server_version')}.")


with tempfile.TemporaryDirectory(dir=A.dir) as folder:
    folder = pathlib.Path(folder)
    data = ["--pattern", "dims", "--rows", A.rows, "--dims", A.dims, "--epochs", A.epochs, "--out", folder / "e"]
    subprocess.run([sys.executable, ROOT / "datasets/generate.py", *map(str, data)], check=True, stdout=subprocess.DEVNULL)
    bench = Bench(folder)
    conditions()
    try:
        bench.run()
    finally:
        for name in bench.tables:
            psql(f"DROP TABLE IF EXISTS {name}", check=False)
            psql(f"DELETE FROM vecdelta.sink WHERE place = '{name}'", check=False)
