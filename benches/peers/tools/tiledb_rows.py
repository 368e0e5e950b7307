"""TileDB: a sparse array by id; one fragment an epoch with the changed rows, removed rows as rows that are not alive."""
import numpy as np
import pyarrow as pa
import tiledb

import tables

NAME = "TileDB, changed rows only"
CANNOT = {}
HOW = "in a warm process that keeps the newest table; byte shuffle and zstd"
DIFFERENCE = "our script, in numpy"


class Tool:
    def __init__(self, directory):
        self.uri = directory
        self.newest = None

    def commit(self, epoch, path):
        table = tables.read(path)
        ids, vectors = tables.pair(table)
        gone = []
        if epoch == 0:
            tiledb.Array.create(self.uri, schema(vectors.shape[1]))
        else:
            rows, gone = tables.changes(self.newest, table)
            ids, vectors = ids.take(pa.array(rows)), vectors[rows]
        keys = np.array(ids.to_pylist() + [str(key) for key in gone], dtype=object)
        cells = np.zeros((len(keys), vectors.shape[1]), dtype=np.float32)
        cells[: len(vectors)] = vectors
        alive = np.zeros(len(keys), dtype=np.uint8)
        alive[: len(vectors)] = 1
        with tiledb.open(self.uri, "w", timestamp=epoch + 1) as array:
            array[keys] = {"embedding": cells.view(record(cells.shape[1])).reshape(-1), "alive": alive}
        self.newest = table

    def one(self, epoch, key):
        with tiledb.open(self.uri, timestamp=epoch + 1) as array:
            return array.query(attrs=["embedding"]).multi_index[key]["embedding"].tobytes()

    def table(self, epoch):
        with tiledb.open(self.uri, timestamp=epoch + 1) as array:
            found = array.query(cond="alive == 1", attrs=["embedding", "alive"])[:]
        return found["id"], np.ascontiguousarray(found["embedding"]).view(np.float32).reshape(len(found["id"]), -1)

    def changed(self, epoch):
        with tiledb.open(self.uri, timestamp=(epoch + 1, epoch + 1)) as array:
            return array.query(attrs=["alive"])[:]["id"]


def record(dims):
    return np.dtype([("", np.float32)] * dims)


def schema(dims):
    zstd = tiledb.ZstdFilter(level=3)
    key = tiledb.Dim(name="id", domain=(None, None), tile=None, dtype="ascii", filters=tiledb.FilterList([zstd]))
    vector = tiledb.Attr(name="embedding", dtype=record(dims), filters=tiledb.FilterList([tiledb.ByteShuffleFilter(), zstd]))
    alive = tiledb.Attr(name="alive", dtype=np.uint8)
    return tiledb.ArraySchema(domain=tiledb.Domain(key), attrs=[vector, alive], sparse=True, capacity=1000)
