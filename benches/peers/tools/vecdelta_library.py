"""The library in a process that stays, as the peers that are libraries are used."""
import atexit
import os
import subprocess

NAME = "vecdelta, the library"
CANNOT = {}
LIKE = "vecdelta"
HOW = "in a warm process of its own (`benches/src/bin/warm.rs`), asked through a pipe; answers stay in its memory"
DIFFERENCE = "itself"
DERIVED = "cache"
PROGRAM = os.environ.get("VECDELTA_WARM", "target/release/warm")


class Tool:
    def __init__(self, directory):
        self.directory = directory
        self.warm = subprocess.Popen([PROGRAM, os.path.join(directory, "table.vd")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.close)
        self.last = None

    def close(self):
        self.warm.stdin.close()
        self.warm.wait()

    def ask(self, line):
        self.warm.stdin.write(line + "\n")
        self.warm.stdin.flush()
        answer = self.warm.stdout.readline().rstrip("\n")
        if not answer or answer.startswith("error"):
            raise RuntimeError(answer or "it ended")
        return answer

    def commit(self, epoch, path):
        self.ask(f"commit {os.path.abspath(path)}")

    def one(self, epoch, key):
        return bytes.fromhex(self.ask(f"one {self.back(epoch)} {key}"))

    def table(self, epoch):
        self.ask(f"table {self.back(epoch)}")
        return Kept(self)

    def changed(self, epoch):
        self.ask(f"changed {self.back(epoch)}")
        return Kept(self)

    def back(self, epoch):
        if self.last is None:
            self.last = int(self.ask("epochs")) - 1
        return self.last - epoch


class Kept:
    """An answer that the process keeps; only what checks it takes it out."""

    def __init__(self, tool):
        self.tool = tool

    def pair(self):
        import numpy as np
        import pyarrow as pa

        path = self.tool.directory + "-scratch.ids"
        self.tool.ask(f"write {path}")
        with open(path, encoding="utf-8") as f:
            ids = f.read().split("\n")[:-1]
        rows = np.fromfile(path.replace(".ids", ".rows"), dtype=np.float32)
        return pa.array(ids), rows.reshape(len(ids), -1)

    def __arrow_array__(self, type=None):
        return self.pair()[0]
