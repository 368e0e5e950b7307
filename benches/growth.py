#!/usr/bin/env python3
"""How the program's figures grow with rows, dimensions, epochs and threads.

    python3 benches/growth.py [--bin target/release/vecdelta] [--cells ROWSxDIMSxEPOCHS,...] [--threads 1,2]

Needs numpy and pyarrow. A cell is a table of so many rows and dimensions and so many epochs after the first, each of which replaces one row
in a thousand, at random. Every epoch is a whole Arrow file, changed in place; every commit and every question is a process of its own.
Prints Markdown. The large cells need as much memory as their file and a few GB of disk: the whole list takes about an hour.
"""
import argparse, mmap, os, shutil, statistics, subprocess, tempfile, time
import numpy as np
import pyarrow as pa

CELLS = (
    "10000x384x20,10000x384x200,10000x384x2000,100000x384x20,100000x384x200,100000x384x2000,1000000x384x20,1000000x384x200,"
    "10000x1536x20,10000x1536x200,10000x1536x2000,100000x1536x20,100000x1536x200,1000000x1536x20"
)
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--bin", default="target/release/vecdelta")
ap.add_argument("--cells", default=CELLS)
ap.add_argument("--threads", default="2,1", help="of the loops over rows, one commit after another")
ap.add_argument("--dir", default=None, help="where the tables go; a directory of the system's for temporary files otherwise")
A = ap.parse_args()
A.bin = os.path.abspath(A.bin)
THREADS = A.threads.split(",")
BATCH = 50_000
AROUND = 10


class Epochs:
    """A table as an Arrow file whose rows are changed where they lie."""

    def __init__(self, path, rows, dims):
        self.path, self.rows, self.dims = path, rows, dims
        self.random = np.random.default_rng(5)
        schema = pa.schema([("id", pa.string()), ("embedding", pa.list_(pa.float32(), dims))])
        with pa.OSFile(path, "wb") as f, pa.ipc.new_file(f, schema) as w:
            for start in range(0, rows, BATCH):
                n = min(BATCH, rows - start)
                ids = pa.array([f"doc-{start + i:07d}" for i in range(n)])
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(self.some(n).reshape(-1)), dims)
                w.write_table(pa.table({"id": ids, "embedding": vectors}))
        os.sync()
        with pa.memory_map(path) as f:
            whole = f.read_buffer(f.size())
            f.seek(0)
            reader = pa.ipc.open_file(f)
            columns = (reader.get_batch(i).column(1).values.buffers()[1] for i in range(reader.num_record_batches))
            self.offsets = [values.address - whole.address for values in columns]
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 0)

    def some(self, n):
        rows = self.random.standard_normal((n, self.dims))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def next(self):
        """Replaces one row in a thousand."""
        count = max(1, self.rows // 1000)
        size = 4 * self.dims
        for row, bits in zip(self.random.choice(self.rows, count, replace=False), self.some(count)):
            at = self.offsets[row // BATCH] + row % BATCH * size
            self.map[at : at + size] = bits.tobytes()


def run(*args, threads=THREADS[0]):
    """Returns the seconds that a process takes."""
    began = time.perf_counter()
    process = subprocess.Popen([A.bin, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "RAYON_NUM_THREADS": threads})
    out = process.stdout.read()
    status = process.wait()
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{args}: {out.decode()}")
    return seconds


def cell(work, rows, dims, epochs):
    repo, path = f"{work}/table.vd", f"{work}/epoch.arrow"
    table = Epochs(path, rows, dims)
    first = run("ingest", repo, path)
    log = lambda: sum(os.path.getsize(f"{repo}/log/{name}") for name in os.listdir(f"{repo}/log"))
    begin, times = log(), []
    for _ in range(epochs):
        table.next()
        times.append(run("ingest", repo, path))
    stored = (log() - begin) / epochs
    of_threads = [statistics.median(times[-AROUND:])]
    for threads in THREADS[1:]:
        some = []
        for _ in range(5):
            table.next()
            some.append(run("ingest", repo, path, threads=threads))
        of_threads.append(statistics.median(some))
    middle = (epochs + 5 * (len(THREADS) - 1)) // 2
    median = lambda *args: statistics.median(run(*args) for _ in range(3))
    get = median("get", repo, f"vectors/doc-{rows // 2:07d}", "--at", f"main~{middle}", "--json")
    diff = median("diff", repo, f"main~{middle + 1}", f"main~{middle}", "--output", f"{work}/changes.arrow")
    export = median("export", repo, "--at", f"main~{middle}", "--output", f"{work}/old.arrow")
    early = statistics.median(times[:AROUND])
    columns = [f"{first:.2f}", f"{early:.3f}", *(f"{t:.3f}" for t in of_threads), f"{stored / 1e6:.3f}", f"{get:.4f}", f"{diff:.4f}", f"{export:.3f}"]
    print(f"| {rows:,} x {dims} | {epochs:,} | " + " | ".join(columns) + " |", flush=True)


def main():
    late = " | ".join(f"last {AROUND if i == 0 else 5}, {t} thread{'s' * (t != '1')}, s" for i, t in enumerate(THREADS))
    print(f"| table | epochs | first epoch, s | commit, first {AROUND}, s | {late} | MB an epoch | one old vector, s | changed rows, s | whole old table, s |")
    print("|" + "---|" * (8 + len(THREADS)))
    for text in A.cells.split(","):
        work = tempfile.mkdtemp(prefix="vecdelta-growth-", dir=A.dir)
        try:
            cell(work, *map(int, text.split("x")))
        finally:
            shutil.rmtree(work, ignore_errors=True)


main()
