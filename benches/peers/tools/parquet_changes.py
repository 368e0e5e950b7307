"""What one would write by hand: a Parquet file of the changed rows for every epoch, and one of the removed ids."""
import os

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import tables

NAME = "hand-written: Parquet of changed rows per epoch"
CANNOT = {}
HOW = "in a warm process that keeps the newest table; BYTE_STREAM_SPLIT + zstd"
DIFFERENCE = "our script, in numpy"
OPTIONS = {"compression": "zstd", "use_dictionary": False, "row_group_size": 10_000}
SPLIT = {"id": "DELTA_BYTE_ARRAY", "embedding.list.element": "BYTE_STREAM_SPLIT"}


class Tool:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.newest = None

    def path(self, epoch, what):
        return os.path.join(self.directory, f"{epoch:04}-{what}.parquet")

    def commit(self, epoch, path):
        table = tables.read(path)
        written, gone = table, pa.array([], pa.string())
        if epoch:
            rows, gone = tables.changes(self.newest, table)
            written = table.take(pa.array(rows))
        pq.write_table(written, self.path(epoch, "rows"), column_encoding=SPLIT, **OPTIONS)
        pq.write_table(pa.table({"id": gone}), self.path(epoch, "gone"))
        self.newest = table

    def one(self, epoch, key):
        for e in range(epoch, -1, -1):
            found = pq.read_table(self.path(e, "rows"), columns=["embedding"], filters=[("id", "=", key)])
            if len(found):
                return tables.matrix(found["embedding"])[0].tobytes()

    def table(self, epoch):
        """Goes back from the epoch asked for and takes of each file the rows that were not met before."""
        ids, parts = pa.array([], pa.string()), []
        for e in range(epoch, -1, -1):
            rows = pq.read_table(self.path(e, "rows"))
            keys = tables.as_array(rows["id"])
            fresh = pc.invert(pc.is_in(keys, value_set=ids))
            parts.append(rows if pc.all(fresh).as_py() else rows.filter(fresh))
            gone = tables.as_array(pq.read_table(self.path(e, "gone"))["id"])
            ids = pa.concat_arrays([ids, keys.filter(fresh), gone])
        return pa.concat_tables(parts)

    def changed(self, epoch):
        written, gone = (pq.read_table(self.path(epoch, what), columns=["id"])["id"] for what in ("rows", "gone"))
        return pa.concat_arrays([tables.as_array(written), tables.as_array(gone)])
