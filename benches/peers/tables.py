"""Arrow tables as ids and a matrix of float32, and the true difference of two of them."""
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def read(path):
    """Maps an Arrow file."""
    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def pair(table):
    """Returns (ids, matrix) of a table, a pair, the path of an Arrow file, or what can give them."""
    if hasattr(table, "pair"):
        return table.pair()
    if isinstance(table, str):
        table = read(table)
    if isinstance(table, pa.Table):
        return table["id"], matrix(table["embedding"])
    return table


def matrix(column):
    """Returns the rows of a column of lists of one length."""
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def changes(before, after):
    """Works out the change in numpy, for tools that are handed it.

    Returns (rows of `after` that are new or differ in a bit, ids of `before` that are gone)."""
    (old_ids, old), (new_ids, new) = pair(before), pair(after)
    old_ids = as_array(old_ids)
    place = pc.index_in(as_array(new_ids), value_set=old_ids).fill_null(-1).to_numpy()
    known = place >= 0
    changed = ~known
    changed[known] = (new[known].view(np.uint32) != old[place[known]].view(np.uint32)).any(axis=1)
    seen = np.zeros(len(old_ids), dtype=bool)
    seen[place[known]] = True
    return np.flatnonzero(changed), old_ids.filter(pa.array(~seen))


def as_array(ids):
    """Returns ids as one Arrow array of text."""
    if isinstance(ids, pa.ChunkedArray):
        ids = pa.concat_arrays(ids.chunks) if ids.num_chunks != 1 else ids.chunk(0)
    return (ids if isinstance(ids, pa.Array) else pa.array(ids)).cast(pa.string())


def names_changed(before, after):
    """Returns the ids that differ between two tables: new, gone, or other bits."""
    rows, gone = changes(before, after)
    return pa.concat_arrays([as_array(pair(after)[0]).take(pa.array(rows)), gone])
