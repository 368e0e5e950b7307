"""Makes the epochs of one pattern as Arrow files with the columns `id` and `embedding`.

    python3 data.py PATTERN ROWS DIMS EPOCHS DIRECTORY

W1 to W4 come from datasets/generate.py with its fixed seed; `debian` is the table in datasets/debian.
"""
import json
import os
import subprocess
import sys

DATASETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "datasets")
PATTERNS = {
    "W1": ("rows", "2 % of rows replaced, 0.5 % added, 0.2 % removed"),
    "W2": ("dims", "5 % of dims in 30 % of rows"),
    "W3": ("noise-1e-3", "all rows, noise 1e-3"),
    "W4": ("noise-1e-7", "all rows, noise 1e-7"),
    "debian": (None, "the real table in datasets/debian"),
}


def make(pattern, rows, dims, epochs, directory):
    """Writes the first epoch and `epochs` more."""
    if pattern == "debian":
        return copy_debian(directory)
    program = [sys.executable, os.path.join(DATASETS, "generate.py"), "--format", "arrow", "--pattern", PATTERNS[pattern][0]]
    subprocess.run(program + ["--rows", str(rows), "--dims", str(dims), "--epochs", str(epochs + 1), "--out", directory], check=True)


def copy_debian(directory):
    import pyarrow as pa
    import pyarrow.parquet as pq

    os.makedirs(directory, exist_ok=True)
    source = os.path.join(DATASETS, "debian")
    for epoch, name in enumerate(sorted(os.listdir(source))):
        table = pq.read_table(os.path.join(source, name), columns=["package", "embedding"]).combine_chunks()
        vectors = table["embedding"].combine_chunks()
        dims = len(vectors[0])
        flat = vectors.flatten()
        table = pa.table({"id": table["package"], "embedding": pa.FixedSizeListArray.from_arrays(flat, dims)})
        with pa.OSFile(os.path.join(directory, f"epoch-{epoch:03}.arrow"), "wb") as f, pa.ipc.new_file(f, table.schema) as w:
            w.write_table(table)


def files(directory):
    """Returns the epochs' files, oldest first."""
    return sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".arrow"))


def write_keys(directory):
    """Writes, for each epoch, some ids that a reader asks for: far apart."""
    import tables

    keys = []
    for path in files(directory):
        ids = tables.read(path)["id"]
        keys.append([ids[len(ids) * part // 7].as_py() for part in (1, 3, 4, 2, 5)])
    with open(os.path.join(directory, "keys.json"), "w") as f:
        json.dump(keys, f)


if __name__ == "__main__":
    make(sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5])
    write_keys(sys.argv[5])
