"""Measures NATS and PostgreSQL as pipelines use them: the whole program, from files to the server and back.

Needs numpy and pyarrow for the data, and psql.

    eval "$(scripts/servers.sh start)"
    cargo build --release -p vecdelta --features postgres,nats
    python3 benches/wires.py
    scripts/servers.sh stop
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECDELTA = ROOT / "target/release/vecdelta"
PARTITIONS, ROWS, DIMS, EPOCHS = 8, 40_000, 384, 5
NATS, POSTGRES = os.environ["VECDELTA_TEST_NATS"], os.environ["VECDELTA_TEST_POSTGRES"]


def start(dir, *arguments):
    return subprocess.Popen([VECDELTA, "run", *arguments, "--json"], cwd=dir, stdout=subprocess.PIPE)


def seconds_of(*runs):
    """Waits for runs that were started at once; returns the time until the last ended, and their reports."""
    began = time.monotonic()
    reports = []
    for run in [run() for run in runs]:
        out, _ = run.communicate()
        if run.returncode:
            sys.exit(f"a run failed with {run.returncode}")
        reports.append(json.loads(out))
    return time.monotonic() - began, reports


def write(dir, name, text):
    (dir / name).write_text("config_version = 1\n" + text)


def files(store):
    return f'[pipeline]\nstore = "{store}"\n[source.t]\nkind = "parquet"\npath = "e/*.parquet"\nmissing = "delete"\n'


def measure(dir):
    name = f"bench{os.getpid()}"
    stream = f'kind = "nats"\nurl = "{NATS}"\nstream = "{name}"\nsubject = "{name}"\npartitions = {PARTITIONS}\n'
    window = '[window.live]\nclose = { after = "1s", count = 5000 }\n'
    write(dir, "plain.toml", files("plain.vd"))
    write(dir, "publish.toml", files("publish.vd") + "[sink.bus]\n" + stream)
    for store in ["one", "two"]:
        write(dir, f"{store}.toml", f'[pipeline]\nstore = "{store}-{{partition}}.vd"\n[source.t]\n{stream}follow = false\n' + window)
    write(dir, "whole.toml", f'[pipeline]\nstore = "whole.vd"\n[source.t]\n{stream}follow = false\n' + window)
    table = f'kind = "postgres"\nurl = "{POSTGRES}"\ntable = "{name}"\n'
    write(dir, "out.toml", files("out.vd") + "[sink.table]\n" + table)
    write(dir, "in.toml", f'[pipeline]\nstore = "in.vd"\n[source.t]\n{table}version = "changed"\nfollow = false\n' + window)
    plain, [report] = seconds_of(lambda: start(dir, "plain.toml"))
    deltas = sum(c["inserted"] + c["updated"] + c["deleted"] for c in report["commits"])
    print(f"{deltas} deltas of {EPOCHS} epochs of {ROWS} x {DIMS}")
    row("into the repository alone", deltas, plain)
    row("and into NATS", deltas, seconds_of(lambda: start(dir, "publish.toml"))[0])
    row("from NATS, one repository", deltas, seconds_of(lambda: start(dir, "whole.toml"))[0])
    row("from NATS, one worker, 8 repositories", deltas, seconds_of(lambda: start(dir, "one.toml", "--partition", "1/1"))[0])
    halves = [lambda k=k: start(dir, "two.toml", "--partition", f"{k}/2") for k in (1, 2)]
    row("from NATS, two workers, 4 repositories each", deltas, seconds_of(*halves)[0])
    row("into the repository and PostgreSQL", deltas, seconds_of(lambda: start(dir, "out.toml"))[0])
    psql(f"ALTER TABLE {name} ADD changed xid8 NOT NULL DEFAULT pg_current_xact_id(); CREATE INDEX ON {name} (changed)")
    rows = int(psql(f"SELECT count(*) FROM {name}"))
    row("rows from PostgreSQL", rows, seconds_of(lambda: start(dir, "in.toml"))[0])
    psql(f"DROP TABLE {name}")


def psql(sql):
    done = subprocess.run(["psql", POSTGRES, "-Atqc", sql], stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.strip()


def row(what, count, seconds):
    print(f"{what:44} {seconds:7.2f} s {count / seconds:10,.0f} /s")


with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder)
    subprocess.run(
        [sys.executable, ROOT / "datasets/generate.py", "--pattern", "dims", "--rows", str(ROWS), "--dims", str(DIMS),
         "--epochs", str(EPOCHS), "--out", place / "e"],
        check=True, stdout=subprocess.DEVNULL,
    )
    measure(place)
