"""DuckDB: one table of all states, each row valid from one epoch to another."""
import os

import duckdb

import tables

NAME = "DuckDB, history table (valid from / to)"
CANNOT = {}
HOW = "in a warm process, one connection"
DIFFERENCE = "itself, in SQL"


class Tool:
    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.db = duckdb.connect(os.path.join(directory, "history.duckdb"))

    def commit(self, epoch, path):
        table = tables.read(path)
        self.db.register("given", table)
        if epoch == 0:
            dims = table["embedding"].type.list_size
            self.db.execute(f"CREATE TABLE history (id VARCHAR, embedding FLOAT[{dims}], since INTEGER, until INTEGER)")
        self.db.execute("BEGIN")
        self.db.execute(f"""UPDATE history SET until = {epoch} WHERE until IS NULL AND NOT EXISTS
            (SELECT 1 FROM given WHERE given.id = history.id AND given.embedding = history.embedding)""")
        self.db.execute(f"""INSERT INTO history SELECT id, embedding, {epoch}, NULL FROM given WHERE NOT EXISTS
            (SELECT 1 FROM history WHERE history.id = given.id AND until IS NULL)""")
        self.db.execute("COMMIT")
        self.db.unregister("given")

    def one(self, epoch, key):
        found = self.db.execute(f"SELECT embedding FROM history WHERE id = '{key}' AND {valid(epoch)}").to_arrow_table()
        return tables.matrix(found["embedding"])[0].tobytes()

    def table(self, epoch):
        return self.db.execute(f"SELECT id, embedding FROM history WHERE {valid(epoch)}").to_arrow_table()

    def changed(self, epoch):
        return self.db.execute(f"SELECT DISTINCT id FROM history WHERE since = {epoch} OR until = {epoch}").to_arrow_table()["id"]


def valid(epoch):
    return f"since <= {epoch} AND (until IS NULL OR until > {epoch})"
