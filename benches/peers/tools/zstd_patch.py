"""zstd --patch-from between neighbouring Arrow files."""
from tools.chain import Chain

NAME = "zstd --patch-from chain"
CANNOT = {}
HOW = "a process for every patch; an old state replays the chain"
DIFFERENCE = "itself, as bytes"
WINDOW = "--long=31"
LEVEL = "-3"


class Tool(Chain):
    def pack(self, path, patch):
        return ["zstd", "-q", "-f", LEVEL, path, "-o", patch]

    def unpack(self, patch, path):
        return ["zstd", "-q", "-f", "-d", patch, "-o", path]

    def encode(self, old, new, patch):
        return ["zstd", "-q", "-f", LEVEL, WINDOW, f"--patch-from={old}", new, "-o", patch]

    def decode(self, old, patch, new):
        return ["zstd", "-q", "-f", "-d", WINDOW, f"--patch-from={old}", patch, "-o", new]
