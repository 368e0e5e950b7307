"""Delta Lake by delta-rs: merge with the change data feed."""
import deltalake
import pyarrow as pa
import pyarrow.compute as pc

import tables

NAME = "delta-rs merge + change feed"
CANNOT = {}
HOW = "in a warm process"
DIFFERENCE = "itself"


class Tool:
    def __init__(self, directory):
        self.uri = directory

    def commit(self, epoch, path):
        table = tables.read(path)
        if epoch == 0:
            deltalake.write_deltalake(self.uri, table, configuration={"delta.enableChangeDataFeed": "true"})
            return
        merge = deltalake.DeltaTable(self.uri).merge(table, "t.id = s.id", source_alias="s", target_alias="t")
        merge = merge.when_matched_update_all("t.embedding IS DISTINCT FROM s.embedding")
        merge.when_not_matched_insert_all().when_not_matched_by_source_delete().execute()

    def one(self, epoch, key):
        query = deltalake.QueryBuilder().register("t", deltalake.DeltaTable(self.uri, version=epoch))
        found = pa.table(query.execute(f"SELECT embedding FROM t WHERE id = '{key}'"))
        return tables.matrix(found["embedding"])[0].tobytes()

    def table(self, epoch):
        return deltalake.DeltaTable(self.uri, version=epoch).to_pyarrow_table()

    def changed(self, epoch):
        feed = deltalake.DeltaTable(self.uri).load_cdf(starting_version=epoch, ending_version=epoch, columns=["id"])
        return pc.unique(pa.table(feed)["id"])
