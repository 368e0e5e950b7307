"""Icechunk: rows in slots of a Zarr array; only chunks with a changed row are written."""
import icechunk
import numpy as np
import pyarrow as pa
import zarr

import tables

NAME = "Icechunk, changed chunks only, Zarr's own chunks"
CANNOT = {}
HOW = "in a warm process that keeps the newest table"
DIFFERENCE = "our script, in numpy"
CHUNK_ROWS = None


class Tool:
    def __init__(self, directory):
        self.repository = icechunk.Repository.open_or_create(icechunk.local_filesystem_storage(directory))
        self.newest = None
        self.slots = {}
        self.free = []

    def commit(self, epoch, path):
        table = tables.read(path)
        ids, vectors = tables.pair(table)
        session = self.repository.writable_session("main")
        if epoch == 0:
            group = zarr.create_group(session.store)
            chunks = (CHUNK_ROWS, vectors.shape[1]) if CHUNK_ROWS else "auto"
            group.create_array("embedding", shape=(0, vectors.shape[1]), chunks=whole(chunks, vectors), dtype=np.float32)
            group.create_array("id", shape=(0,), chunks=(10_000,), dtype="S64")
            rows, gone = np.arange(len(vectors)), []
        else:
            group = zarr.open_group(session.store)
            rows, gone = tables.changes(self.newest, table)
        self.write(group, ids.take(pa.array(rows)).to_pylist(), vectors[rows], [str(key) for key in gone])
        session.commit(f"epoch {epoch}")
        self.newest = table

    def write(self, group, keys, vectors, gone):
        for key in gone:
            self.free.append(self.slots.pop(key))
        names = {slot: b"" for slot in self.free}
        for key in keys:
            if key not in self.slots:
                self.slots[key] = self.free.pop() if self.free else len(self.slots)
                names[self.slots[key]] = key.encode()
        size = len(self.slots) + len(self.free)
        group["embedding"].resize((size, vectors.shape[1]))
        group["id"].resize((size,))
        order = np.argsort(at := np.array([self.slots[key] for key in keys], dtype=np.int64))
        if len(at):
            group["embedding"].oindex[at[order]] = vectors[order]
        if names:
            slots = np.array(sorted(names))
            group["id"].oindex[slots] = np.array([names[slot] for slot in slots], dtype="S64")

    def at(self, epoch):
        snapshots = list(self.repository.ancestry(branch="main"))
        return snapshots[len(snapshots) - 2 - epoch].id

    def group(self, epoch):
        return zarr.open_group(self.repository.readonly_session(snapshot_id=self.at(epoch)).store, mode="r")

    def one(self, epoch, key):
        group = self.group(epoch)
        slot = int(np.flatnonzero(group["id"][:] == key.encode())[0])
        return group["embedding"][slot].tobytes()

    def table(self, epoch):
        group = self.group(epoch)
        ids, vectors = group["id"][:], group["embedding"][:]
        used = ids != b""
        return (ids, vectors) if used.all() else (ids[used], vectors[used])

    def changed(self, epoch):
        return tables.names_changed(self.table(epoch - 1), self.table(epoch))


def whole(chunks, vectors):
    """Returns the chunks that Zarr takes for an array of this shape."""
    if chunks != "auto":
        return chunks
    return zarr.create_array(zarr.storage.MemoryStore(), shape=vectors.shape, dtype=np.float32).chunks
