#!/usr/bin/env python3
"""Whole-process figures of the program, each beside its floor measured in the same run.

    python3 benches/figures.py [--bin target/release/vecdelta] [--rows 100000] [--dims 384] [--history 50] [--memory] [--growth 200]

Needs numpy and pyarrow. Prints Markdown. All values are computed in float64 and rounded once to float32.
"""
import argparse, json, os, resource, shutil, statistics, subprocess, tempfile, time
import numpy as np
import pyarrow as pa

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--bin", default="target/release/vecdelta")
ap.add_argument("--rows", type=int, default=100_000)
ap.add_argument("--dims", type=int, default=384)
ap.add_argument("--history", type=int, default=50)
ap.add_argument("--runs", type=int, default=5)
ap.add_argument("--memory", action="store_true", help="also ingest 2,000,000 x 384 and report the peak memory")
ap.add_argument("--growth", type=int, default=0, help="also ingest so many epochs of small edits")
ap.add_argument("--only", default="", help="ingest, history, growth or memory")
A = ap.parse_args()
A.bin = os.path.abspath(A.bin)
WORK = tempfile.mkdtemp(prefix="vecdelta-figures-")
RNG = np.random.default_rng(42)
# What 100,000 x 384 has to reach: seconds, and MB stored.
GOALS = {
    "2 % of rows replaced, 0.5 % added": "0.15 s, 3.5 MB",
    "5 % of dims in 30 % of rows": "2.5 MB",
    "all rows, noise 1e-3": "0.8 s, 102 MB",
    "all rows, noise 1e-7": "41 MB",
}


def write(path, ids, rows):
    m = rows.astype(np.float32)
    vec = pa.FixedSizeListArray.from_arrays(pa.array(m.reshape(-1)), m.shape[1])
    table = pa.table({"id": pa.array(ids), "embedding": vec})
    with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, table.schema) as w:
        w.write_table(table)
    os.sync()  # what is measured next does not wait for these bytes


def unit(n, d):
    m = RNG.standard_normal((n, d))
    return m / np.linalg.norm(m, axis=1, keepdims=True)


def run(*args):
    t = time.perf_counter()
    p = subprocess.run([A.bin, *map(str, args)], capture_output=True, text=True)
    if p.returncode != 0:
        raise SystemExit(f"{args}: {p.stderr}")
    return time.perf_counter() - t, p.stdout


def processor():
    """Processor seconds of all programs that were run so far: the measure on a machine with others at work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def instructions(*args):
    """Counts the instructions of a run: the same on a busy machine."""
    out = f"--callgrind-out-file={WORK}/callgrind"
    p = subprocess.run(["valgrind", "--tool=callgrind", out, A.bin, *map(str, args)], capture_output=True, text=True,
                       env={**os.environ, "RAYON_NUM_THREADS": "1"})
    return int(p.stderr.rsplit("Collected : ", 1)[1].split()[0])


def median(f, runs=None):
    return statistics.median(f() for _ in range(runs or A.runs))


def read(path):
    with pa.memory_map(path) as f:
        t = pa.ipc.open_file(f).read_all().combine_chunks()
    return t["id"], t["embedding"].combine_chunks().flatten().to_numpy().reshape(t.num_rows, -1)


def compare_in_numpy(a, b):
    """The floor of finding out what changed: read both tables and compare row by row."""
    t = time.perf_counter()
    (_, x), (_, y) = read(a), read(b)
    n = min(len(x), len(y))
    (x[:n].view(np.uint32) != y[:n].view(np.uint32)).any(axis=1).sum()
    return time.perf_counter() - t


def copy_repo(src):
    dst = f"{WORK}/run.vd"
    shutil.rmtree(dst, ignore_errors=True)
    shutil.copytree(src, dst)
    os.sync()
    return dst


def write_and_sync(path, data):
    t = time.perf_counter()
    with open(path, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    return time.perf_counter() - t


def patterns(ids, base):
    n, d = base.shape
    rows = base.copy()
    at = RNG.choice(n, n // 50, replace=False)
    rows[at] = unit(len(at), d)
    new = unit(n // 200, d)
    yield "2 % of rows replaced, 0.5 % added", ids + [f"new-{i:06d}" for i in range(len(new))], np.vstack([rows, new])
    dims = base.copy()
    for i in RNG.choice(n, n * 3 // 10, replace=False):
        c = RNG.choice(d, d // 20, replace=False)
        dims[i, c] = RNG.standard_normal(len(c)) / np.sqrt(d)
    yield "5 % of dims in 30 % of rows", ids, dims
    yield "all rows, noise 1e-3", ids, base + RNG.standard_normal((n, d)) * 1e-3
    yield "all rows, noise 1e-7", ids, base + RNG.standard_normal((n, d)) * 1e-7
    yield "nothing changed", ids, base


def ingest_figures():
    ids = [f"doc-{i:06d}" for i in range(A.rows)]
    base = unit(A.rows, A.dims)
    first = f"{WORK}/base.arrow"
    write(first, ids, base)
    before = processor()
    seconds = median(lambda: (shutil.rmtree(f"{WORK}/base.vd", ignore_errors=True), run("ingest", f"{WORK}/base.vd", first)[0])[1])
    used = (processor() - before) / A.runs
    print(f"\n### One epoch of {A.rows:,} x {A.dims} f32 as an Arrow file, whole process, durable\n")
    print("| change | seconds | processor, s | numpy: read both and compare, s | ratio | MB stored | of MB | goal |")
    print("|---|---|---|---|---|---|---|---|")
    raw = os.path.getsize(first) / 1e6
    out = run("show", f"{WORK}/base.vd", "main", "--json")[1]
    print(f"| first epoch | {seconds:.3f} | {used:.2f} | - | - | {json.loads(out)['delta_bytes'] / 1e6:.1f} | {raw:.0f} | |")
    for name, keys, rows in patterns(ids, base):
        path = f"{WORK}/next.arrow"
        write(path, keys, rows)
        times, floors, used = [], [], []
        for _ in range(A.runs):
            repo = copy_repo(f"{WORK}/base.vd")
            floors.append(compare_in_numpy(first, path))
            before = processor()
            times.append(run("ingest", repo, path)[0])
            used.append(processor() - before)
        stored = json.loads(run("show", repo, "main", "--json")[1])["delta_bytes"] / 1e6
        t, floor = statistics.median(times), statistics.median(floors)
        print(f"| {name} | {t:.3f} | {min(used):.2f} | {floor:.3f} | {t / floor:.2f} | {stored:.2f} | {raw:.0f} | {GOALS.get(name, '')} |", flush=True)


def history_figures():
    ids = [f"doc-{i:06d}" for i in range(A.rows)]
    rows = unit(A.rows, A.dims)
    repo, path = f"{WORK}/history.vd", f"{WORK}/epoch.arrow"
    write(path, ids, rows)
    run("ingest", repo, path)
    times = []
    for e in range(A.history):
        at = RNG.choice(len(ids), A.rows // 50, replace=False)
        rows[at] = unit(len(at), A.dims)
        new = unit(A.rows // 200, A.dims)
        ids += [f"new-{e}-{i:05d}" for i in range(len(new))]
        rows = np.vstack([rows, new])
        write(path, ids, rows)
        times.append(run("ingest", repo, path)[0])
    print(f"\n### Time travel: {A.rows:,} x {A.dims} f32, {A.history} epochs of 2 % replaced and 0.5 % added\n")
    print("| what | seconds | floor | seconds | ratio | goal |")
    print("|---|---|---|---|---|---|")
    tenth = max(1, A.history // 10)
    early, late = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    print(f"| ingest, last epochs | {late:.3f} | ingest, first epochs | {early:.3f} | {late / early:.2f} | flat |")
    keys = [f"vectors/doc-{RNG.integers(A.rows):06d}" for _ in range(21)]
    one = statistics.median(run("get", repo, k, "--at", f"main~{A.history}")[0] for k in keys)
    mid = statistics.median(run("get", repo, k, "--at", f"main~{A.history // 2}")[0] for k in keys)
    spawn = statistics.median(run("--version")[0] for _ in range(21))
    print(f"| get, {A.history} commits back, whole process | {one:.4f} | the program's start | {spawn:.4f} | {one / spawn:.1f} | 0.015 s |")
    print(f"| get, {A.history // 2} commits back, whole process | {mid:.4f} | the program's start | {spawn:.4f} | {mid / spawn:.1f} | 0.015 s |")
    out = f"{WORK}/old.arrow"
    before = processor()
    old = median(lambda: run("export", repo, "--at", f"main~{A.history // 2}", "--output", out)[0])
    used = (processor() - before) / A.runs
    data = open(out, "rb").read()
    floor = median(lambda: write_and_sync(f"{WORK}/floor.bin", data))
    print(f"| export, {A.history // 2} commits back, Arrow | {old:.3f} | writing and syncing those bytes | {floor:.3f} | {old / floor:.2f} | 2 x the floor |")
    print(f"| the same, processor time | {used:.3f} | | | | |")
    old = median(lambda: run("export", repo, "--output", out)[0])
    print(f"| export of the head, Arrow | {old:.3f} | writing and syncing those bytes | {floor:.3f} | {old / floor:.2f} | 2 x the floor |")
    d = median(lambda: run("diff", repo, "main~1", "main", "--json")[0])
    print(f"| diff of neighbours ({A.rows // 50 + A.rows // 200:,} sources) | {d:.4f} | the program's start | {spawn:.4f} | {d / spawn:.1f} | 0.030 s |")
    v = median(lambda: run("verify", repo)[0], 1)
    size = sum(os.path.getsize(os.path.join(p, f)) for p, _, fs in os.walk(repo) if "cache" not in p for f in fs)
    print(f"| verify: every state rebuilt | {v:.2f} | | | | |")
    print(f"\nThe log takes {size / 1e6:.1f} MB for {A.history + 1} epochs of {len(data) / 1e6:.0f} MB.", flush=True)


def growth_figures():
    """Whether an ingest knows how long the history is: epochs that each replace a row in a thousand."""
    repo, path = f"{WORK}/growth.vd", f"{WORK}/next.arrow"
    ids = [f"doc-{i:06d}" for i in range(A.rows)]
    rows = unit(A.rows, A.dims)
    write(path, ids, rows)
    run("ingest", repo, path)
    epochs, times, counts = A.growth or 200, [], {}
    for epoch in range(1, epochs + 1):
        at = RNG.choice(A.rows, max(1, A.rows // 1000), replace=False)
        rows[at] = unit(len(at), A.dims)
        write(path, ids, rows)
        if shutil.which("valgrind") and epoch in (5, epochs):
            counts[epoch] = instructions("ingest", copy_repo(repo), path)
        times.append(run("ingest", repo, path)[0])
    part = max(1, epochs // 10)
    print(f"\n### Growth: {A.rows:,} x {A.dims} f32, {epochs} epochs of 0.1 % replaced\n")
    print("| epochs | median seconds | least |")
    print("|---|---|---|")
    for first in range(0, epochs, 2 * part):
        some = times[first : first + part]
        print(f"| {first + 1} to {first + len(some)} | {statistics.median(some):.3f} | {min(some):.3f} |")
    last = times[-part:]
    print(f"| {epochs - part + 1} to {epochs} | {statistics.median(last):.3f} | {min(last):.3f} |", flush=True)
    if counts:
        early, late = counts[5], counts[epochs]
        print(f"\nInstructions of one ingest, one thread: {early:,} in epoch 5, {late:,} in epoch {epochs}; {late / early:.3f} times (goal: flat).", flush=True)


def memory_figures():
    n, d = 2_000_000, 384
    path, repo = f"{WORK}/large.arrow", f"{WORK}/large.vd"
    schema = pa.schema([("id", pa.string()), ("embedding", pa.list_(pa.float32(), d))])

    def table(change):
        with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, schema) as w:
            for start in range(0, n, 50_000):
                g = np.random.default_rng([7, start])
                m = g.standard_normal((50_000, d))
                if change:
                    at = g.choice(50_000, 1000, replace=False)
                    m[at] = g.standard_normal((1000, d))
                vec = pa.FixedSizeListArray.from_arrays(pa.array(m.astype(np.float32).reshape(-1)), d)
                w.write_table(pa.table({"id": pa.array([f"doc-{start + i:07d}" for i in range(50_000)]), "embedding": vec}))

    print(f"\n### {n:,} x {d} f32 ({n * d * 4 / 1e9:.1f} GB)\n")
    print("| epoch | seconds | peak anonymous memory, MB | peak resident, mapped pages included, MB |")
    print("|---|---|---|---|")
    for name, change in (("first", False), ("2 % of rows replaced", True)):
        table(change)
        t = time.perf_counter()
        p = subprocess.Popen([A.bin, "ingest", repo, path], stdout=subprocess.DEVNULL)
        anon = 0
        while p.poll() is None:
            try:
                for line in open(f"/proc/{p.pid}/status"):
                    if line.startswith("RssAnon"):
                        anon = max(anon, int(line.split()[1]))
            except (FileNotFoundError, ProcessLookupError):
                pass
            time.sleep(0.005)
        seconds = time.perf_counter() - t
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"| {name} | {seconds:.2f} | {anon / 1e3:.0f} | {peak / 1e3:.0f} |", flush=True)


try:
    if A.only in ("", "ingest"):
        ingest_figures()
    if A.only in ("", "history"):
        history_figures()
    if A.only == "growth" or A.growth:
        growth_figures()
    if A.only == "memory" or A.memory:
        memory_figures()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
