"""Lance as in lance_best, with a B-tree over the ids that every commit brings up to date."""
import lance

from tools import lance_best as best

NAME = 'Lance merge_insert, condition "is distinct", stable row ids, B-tree'
CANNOT = {}
LIKE = "lance_best"


class Tool(best.Tool):
    """Every epoch is two versions: the rows, then the index."""

    def commit(self, epoch, path):
        super().commit(epoch, path)
        data = lance.dataset(self.uri)
        if epoch == 0:
            data.create_scalar_index("id", "BTREE")
        else:
            data.optimize.optimize_indices()

    def at(self, epoch):
        return lance.dataset(self.uri, version=2 * epoch + 2)
