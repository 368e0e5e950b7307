"""A chain of binary patches between the Arrow files, for programs that make one."""
import os
import shutil
import subprocess


class Chain:
    """`encode(old, new, patch)` and `decode(old, patch, new)` return command lines."""

    def __init__(self, directory):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.before = None

    def patch(self, epoch):
        return os.path.join(self.directory, f"{epoch:04}.patch")

    def commit(self, epoch, path):
        run(self.pack(path, self.patch(0)) if epoch == 0 else self.encode(self.before, path, self.patch(epoch)))
        self.before = path

    def table(self, epoch):
        """Replays the chain; the two newest states are in files beside it."""
        run(self.unpack(self.patch(0), self.state(0)))
        for e in range(1, epoch + 1):
            run(self.decode(self.state(e - 1), self.patch(e), self.state(e)))
        return self.state(epoch)

    def state(self, epoch):
        return f"{self.directory}-scratch-{epoch % 2}.arrow"

    def one(self, epoch, key):
        import pyarrow.compute as pc
        import tables

        ids, vectors = tables.pair(self.table(epoch))
        return vectors[pc.index(ids, key).as_py()].tobytes()

    def changed(self, epoch):
        import tables

        self.table(epoch)
        return tables.names_changed(self.state(epoch - 1), self.state(epoch))


def run(command):
    if shutil.which(command[0]) is None:
        raise ModuleNotFoundError(f"the program {command[0]} is not installed")
    subprocess.run(command, check=True, capture_output=True)
