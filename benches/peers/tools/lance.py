"""Lance: merge_insert as documented, every matched row written again."""
import lance
import tables

NAME = "Lance merge_insert, defaults"
CANNOT = {"changed": "merge_insert writes every matched row again, so its versions name all rows; the difference is left to the caller."}
HOW = "in a warm process"
DIFFERENCE = "itself, by whole rows"
CONDITION = None
OPTIONS = {}


class Tool:
    def __init__(self, directory):
        self.uri = directory

    def commit(self, epoch, path):
        table = tables.read(path)
        if epoch == 0:
            lance.write_dataset(table, self.uri, **OPTIONS)
            return
        merge = lance.dataset(self.uri).merge_insert("id").when_matched_update_all(CONDITION)
        merge.when_not_matched_insert_all().when_not_matched_by_source_delete().execute(table)

    def at(self, epoch):
        return lance.dataset(self.uri, version=epoch + 1)

    def one(self, epoch, key):
        found = self.at(epoch).to_table(columns=["embedding"], filter=f"id = '{key}'")
        return tables.matrix(found["embedding"])[0].tobytes()

    def table(self, epoch):
        return self.at(epoch).to_table()
