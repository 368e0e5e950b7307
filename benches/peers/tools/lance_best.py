"""Lance with stable row ids and a condition, so that only rows that differ are written."""
import pyarrow as pa
import pyarrow.compute as pc

from tools import lance as plain
import tables

NAME = 'Lance merge_insert, condition "is distinct", stable row ids'
CANNOT = {}
HOW = "in a warm process"
DIFFERENCE = "itself"
plain.CONDITION = "target.embedding IS DISTINCT FROM source.embedding"
plain.OPTIONS = {"enable_stable_row_ids": True}


class Tool(plain.Tool):
    def changed(self, epoch):
        now = self.at(epoch)
        written = now.to_table(columns=["id"], filter=f"_row_last_updated_at_version > {self.at(epoch - 1).version}")["id"]
        before = tables.as_array(self.at(epoch - 1).to_table(columns=["id"])["id"])
        after = tables.as_array(now.to_table(columns=["id"])["id"])
        gone = before.filter(pc.invert(pc.is_in(before, value_set=after)))
        return pa.concat_arrays([tables.as_array(written), gone])
