"""A whole Parquet file for every epoch, as pyarrow writes it."""
import os

import pyarrow.parquet as pq

import tables

NAME = "whole Parquet per epoch, defaults"
CANNOT = {}
HOW = "in a warm process"
DIFFERENCE = "none needed; changed rows by our script, in numpy"
OPTIONS = {}


class Tool:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory

    def path(self, epoch):
        return os.path.join(self.directory, f"{epoch:04}.parquet")

    def commit(self, epoch, path):
        pq.write_table(tables.read(path), self.path(epoch), **OPTIONS)

    def one(self, epoch, key):
        found = pq.read_table(self.path(epoch), columns=["embedding"], filters=[("id", "=", key)])
        return tables.matrix(found["embedding"])[0].tobytes()

    def table(self, epoch):
        return pq.read_table(self.path(epoch))

    def changed(self, epoch):
        return tables.names_changed(self.table(epoch - 1), self.table(epoch))
