"""The program, with the old table written where the peers put theirs: into memory."""
import atexit
import os

from tools import vecdelta as plain

NAME = "vecdelta, old table into /dev/shm"
CANNOT = {}
LIKE = "vecdelta"
HOW = "a whole process for every operation; the old table is written to memory"
DERIVED = "cache"
PATH = f"/dev/shm/vecdelta-peers-{os.getpid()}.arrow"


class Tool(plain.Tool):
    def __init__(self, directory):
        super().__init__(directory)
        atexit.register(lambda: os.path.exists(PATH) and os.remove(PATH))

    def table(self, epoch):
        plain.run("export", self.repository, "--at", self.revision(epoch), "--output", PATH)
        return PATH
