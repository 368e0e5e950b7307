"""The program itself: a process for every commit and every question."""
import json
import os
import subprocess

NAME = "vecdelta"
CANNOT = {}
HOW = "a whole process for every operation; what is a table is written to an Arrow file and synced"
DIFFERENCE = "itself"
DERIVED = "cache"  # may be deleted at any moment, and is therefore not synced
PROGRAM = os.environ.get("VECDELTA", "target/release/vecdelta")


class Tool:
    def __init__(self, directory):
        self.directory = directory
        self.repository = os.path.join(directory, "table.vd")
        self.last = None

    def commit(self, epoch, path):
        run("ingest", self.repository, path, "--missing", "delete", "--json")

    def one(self, epoch, key):
        return bytes.fromhex(json.loads(run("get", self.repository, f"vectors/{key}", "--at", self.revision(epoch), "--json"))["bits"])

    def table(self, epoch):
        path = self.directory + "-scratch.arrow"
        run("export", self.repository, "--at", self.revision(epoch), "--output", path)
        return path

    def changed(self, epoch):
        import pyarrow.compute as pc
        import tables

        path = self.directory + "-scratch-changes.arrow"
        run("diff", self.repository, self.revision(epoch - 1), self.revision(epoch), "--output", path)
        return pc.utf8_slice_codeunits(tables.read(path)["source"], len("vectors/"))

    def revision(self, epoch):
        if self.last is None:
            self.last = len(run("log", self.repository, "--json").splitlines()) - 1
        return f"main~{self.last - epoch}"


def run(*args):
    """Returns what the program printed."""
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
