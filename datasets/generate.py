#!/usr/bin/env python3
"""Writes large synthetic embedding tables, one file an epoch.

    python3 datasets/generate.py --pattern rows --rows 100000 --dims 384 --epochs 3 --out out/rows

Patterns, each applied from one epoch to the next:

    rows         2 % of the rows get new vectors, 0.5 % are added, 0.2 % are removed (a catalogue that is edited)
    dims         30 % of the rows get new values in 5 % of their dimensions (feature vectors)
    noise-1e-3   every value moves by a normal step of 1e-3 (a fine-tune)
    noise-1e-7   every value moves by a normal step of 1e-7 (the same model on another machine)

Vectors are drawn as normal values of variance 1 / dims, so their length is near 1. The state of the table is kept in
float64 and each epoch is rounded from it to float32 by itself: an epoch is never the float32 epoch before plus
something, so no file is easier to predict than a real one.

Equal options give equal vectors and ids. Memory does not grow with --rows: the table is made in blocks of rows, and
every block goes through all epochs before the next one begins. Needs numpy and pyarrow.
"""
import argparse
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PATTERNS = ("rows", "dims", "noise-1e-3", "noise-1e-7")
BLOCK_VALUES = 4 << 20  # 32 MiB of float64

REPLACED, ADDED, REMOVED = 0.02, 0.005, 0.002
ROWS_TOUCHED, DIMS_TOUCHED = 0.30, 0.05


def draw(rng, rows, dims):
    """Returns new vectors of a length near 1."""
    return rng.standard_normal((rows, dims)) / np.sqrt(dims)


class Block:
    """Some rows of the table: their ids and their values in float64, moved on from epoch to epoch."""

    def __init__(self, seed, number, first_row, rows, dims):
        self.rng = np.random.default_rng([seed, number])
        self.number = number
        self.epoch = 0
        self.ids = [f"row-{first_row + i:09}" for i in range(rows)]
        self.values = draw(self.rng, rows, dims)

    def advance(self, pattern):
        self.epoch += 1
        if pattern == "rows":
            self.edit_rows()
        elif pattern == "dims":
            self.edit_dims()
        else:
            # In pieces, so that the noise needs less memory than the values.
            sigma = float(pattern.removeprefix("noise-"))
            for piece in np.array_split(self.values, 8):
                piece += sigma * self.rng.standard_normal(piece.shape)

    def edit_rows(self):
        rows, dims = self.values.shape
        fate = self.rng.random(rows)
        replaced = np.flatnonzero(fate < REPLACED)
        self.values[replaced] = draw(self.rng, len(replaced), dims)
        keep = np.flatnonzero(fate < 1 - REMOVED)
        added = self.rng.binomial(rows, ADDED)
        self.values = np.concatenate([self.values[keep], draw(self.rng, added, dims)])
        self.ids = [self.ids[i] for i in keep]
        self.ids += [f"new-{self.epoch}-{self.number:05}-{i:05}" for i in range(added)]

    def edit_dims(self):
        rows, dims = self.values.shape
        count = max(1, round(dims * DIMS_TOUCHED))
        for row in np.flatnonzero(self.rng.random(rows) < ROWS_TOUCHED):
            at = self.rng.choice(dims, count, replace=False)
            self.values[row, at] = self.rng.standard_normal(count) / np.sqrt(dims)

    def batch(self, schema):
        dims = schema.field("embedding").type.list_size
        flat = pa.array(self.values.astype(np.float32).reshape(-1))
        vectors = pa.FixedSizeListArray.from_arrays(flat, dims)
        return pa.record_batch([pa.array(self.ids, pa.string()), vectors], schema=schema)


class ArrowFile:
    def __init__(self, path, schema):
        self.file = pa.OSFile(path, "wb")
        self.writer = pa.ipc.new_file(self.file, schema)

    def write(self, batch):
        self.writer.write_batch(batch)

    def close(self):
        self.writer.close()
        self.file.close()


class ParquetFile:
    def __init__(self, path, schema):
        self.writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False)

    def write(self, batch):
        self.writer.write_batch(batch)

    def close(self):
        self.writer.close()


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pattern", choices=PATTERNS, default="rows")
    p.add_argument("--rows", type=positive, default=100_000, help="rows of the first epoch (default %(default)s)")
    p.add_argument("--dims", type=positive, default=384, help="default %(default)s")
    p.add_argument("--epochs", type=positive, default=3, help="files to write (default %(default)s)")
    p.add_argument("--seed", type=int, default=1, help="default %(default)s")
    p.add_argument("--format", choices=("parquet", "arrow"), default="parquet")
    p.add_argument("--out", required=True, help="directory; made when absent")
    args = p.parse_args()

    schema = pa.schema([
        pa.field("id", pa.string(), nullable=False),
        pa.field("embedding", pa.list_(pa.field("item", pa.float32(), nullable=False), args.dims), nullable=False),
    ])
    os.makedirs(args.out, exist_ok=True)
    kind = ParquetFile if args.format == "parquet" else ArrowFile
    paths = [os.path.join(args.out, f"epoch-{e:03}.{args.format}") for e in range(args.epochs)]
    files = [kind(path + ".part", schema) for path in paths]
    counts = [0] * args.epochs
    block_rows = max(1, BLOCK_VALUES // args.dims)
    for number, first in enumerate(range(0, args.rows, block_rows)):
        block = Block(args.seed, number, first, min(block_rows, args.rows - first), args.dims)
        for epoch, file in enumerate(files):
            if epoch:
                block.advance(args.pattern)
            file.write(block.batch(schema))
            counts[epoch] += len(block.ids)
    for file, path, rows in zip(files, paths, counts):
        file.close()
        os.replace(path + ".part", path)
        print(f"{path}: {rows:,} rows x {args.dims}, {os.path.getsize(path) / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
