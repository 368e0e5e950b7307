"""xdelta3 between neighbouring Arrow files, with a source window that holds a whole file."""
from tools.chain import Chain

NAME = "xdelta3 chain"
CANNOT = {}
HOW = "a process for every patch; an old state replays the chain"
DIFFERENCE = "itself, as bytes"
WINDOW = ["-B", str(1 << 29)]


class Tool(Chain):
    def pack(self, path, patch):
        return ["xdelta3", "-e", "-f", path, patch]

    def unpack(self, patch, path):
        return ["xdelta3", "-d", "-f", patch, path]

    def encode(self, old, new, patch):
        return ["xdelta3", "-e", "-f", *WINDOW, "-s", old, new, patch]

    def decode(self, old, patch, new):
        return ["xdelta3", "-d", "-f", *WINDOW, "-s", old, patch, new]
