"""One phase of one tool in a process of its own; prints one JSON document.

    python3 worker.py commit|count|read|check TOOL DIRECTORY DATA

commit: all epochs, timed, and what it takes to sync the files that a commit left unsynced. count: the same without that, for
strace. read: the three questions, timed. check: the answers against the files that were committed, bit by bit.

What a phase does not need is not imported: the peak memory of a program it starts would count it.
"""
import importlib
import json
import os
import resource
import sys
import time

import data

REPEATS = 3


def timed(f, *args):
    start = time.perf_counter()
    f(*args)
    return time.perf_counter() - start


def sync_since(directory, moment, derived):
    """Syncs every file and directory below one that changed since a moment; costs little where all is synced already."""
    for path, folders, names in os.walk(directory):
        folders[:] = [folder for folder in folders if folder != derived]
        for name in [os.path.join(path, n) for n in names] + [path]:
            if os.stat(name).st_mtime >= moment:
                handle = os.open(name, os.O_RDONLY)
                os.fsync(handle)
                os.close(handle)


def commit(tool, module, directory, files, sync):
    seconds, synced = [], []
    for epoch, path in enumerate(files):
        moment = time.time() - 0.02  # a file's time is only as fine as the kernel's tick
        seconds.append(timed(tool.commit, epoch, path))
        synced.append(timed(sync_since, directory, moment, getattr(module, "DERIVED", None)) if sync else 0)
    return {"first": seconds[0], "commit": seconds[1:], "synced": [a + b for a, b in zip(seconds, synced)][1:]}


def read(tool, module, epochs, keys):
    tool.one(0, keys[0][0])  # loads what is loaded once
    middle = epochs // 2
    around = [max(1, middle - 1), max(1, middle), min(epochs, middle + 1)]
    out = {
        "one": [timed(tool.one, middle, keys[middle][i]) for i in range(REPEATS)],
        "table": [timed(tool.table, middle) for _ in range(REPEATS)],
    }
    if "changed" not in module.CANNOT:
        out["changed"] = [timed(tool.changed, around[i % len(around)]) for i in range(REPEATS)]
    return out


def check(tool, module, files, keys):
    """Raises when an answer differs in a bit from what was committed."""
    import numpy as np
    import tables

    for epoch in sorted({0, (len(files) - 1) // 2, len(files) - 1}):
        found = tables.pair(tool.table(epoch))
        rows, gone = tables.changes(files[epoch], found)
        if len(rows) or len(gone):
            raise ValueError(f"epoch {epoch}: {len(rows)} rows came back changed and {len(gone)} did not come back")
        if len(found[0]) != len(tables.read(files[epoch])):
            raise ValueError(f"epoch {epoch}: {len(found[0])} rows came back")
    ids, vectors = tables.pair(files[epoch // 2])
    for key in keys[epoch // 2][:2]:
        if tool.one(epoch // 2, key) != vectors[ids.index(key).as_py()].astype(np.float32).tobytes():
            raise ValueError(f"{key} came back changed")
    if "changed" not in module.CANNOT:
        for e in sorted({1, max(1, epoch // 2), epoch}):
            told = sorted(tables.as_array(tool.changed(e)).to_pylist())
            true = sorted(tables.names_changed(files[e - 1], files[e]).to_pylist())
            if told != true:
                raise ValueError(f"epoch {e}: {len(true)} rows changed, {len(told)} were told")
    return {"exact": True}


def main():
    phase, name, directory, source = sys.argv[1:]
    files = data.files(source)
    with open(os.path.join(source, "keys.json")) as f:
        keys = json.load(f)
    module = importlib.import_module(f"tools.{name}")
    tool = module.Tool(directory)
    if phase in ("commit", "count"):
        out = commit(tool, module, directory, files, phase == "commit")
    elif phase == "read":
        out = read(tool, module, len(files) - 1, keys)
    else:
        out = check(tool, module, files, keys)
    if hasattr(tool, "close"):
        tool.close()  # only a process that has ended is counted
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({**out, "peak": max(peaks) * 1024}))


main()
