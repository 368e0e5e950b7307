"""What the records of a log say: docs/format.md, section 4. Plain and slow; it trusts its input."""
import functools, itertools, struct, sys
from blake3 import blake3

domain = functools.cache(lambda kind: blake3(b"", derive_key_context="vecdelta v1 " + kind).digest())

def keyed(kind, *data):
    return blake3(b"".join(data), key=domain(kind)).digest()

FORMAT = 4  # docs/format.md; the first eight bytes of the head and of every segment end with it

def heads(path, head):
    """Returns the slots of a head that are whole; refuses another format by name."""
    whole = [s for s in (head[:512], head[512:]) if s[:6] == b"VDHEAD" and keyed("head", s[:480]) == s[480:]]
    own = [s for s in whole if s[:8] == b"VDHEAD%02d" % FORMAT]
    for s in whole if not own else []:
        by = s[96:104].strip(bytes(1)).decode() or "before 0.1.0"
        sys.exit(f"{path} is of format {s[6:8].decode()}, written by vecdelta {by}; this reads format {FORMAT}")
    return [struct.unpack("<8xQIIQ32s32s", s[:96]) for s in own]

class Borsh:
    """Reads fields in borsh's encoding: little-endian numbers, a u32 count before lists and texts."""
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def list(self, read):
        return [read() for _ in range(self.take("I"))]

    def text(self):
        return self.take(f"{self.take('I')}s").decode()

def generation(f):
    """What makes the vectors: a name, what it is, and the rows of older ones."""
    return f.text(), f.list(lambda: (f.text(), f.text())), f.list(lambda: (f.text(), f.take("Q")))

class Commit:
    def __init__(self, f):
        start = f.at
        self.parents, self.branch, _time = f.list(lambda: f.take("32s")), f.text(), f.take("QII")
        self.author, self.message, self.metadata = f.text(), f.text(), dict(f.list(lambda: (f.text(), f.text())))
        self.counts, self.collections = f.take("5Q"), f.list(lambda: (f.text(), *f.take("BI"), generation(f), *f.take("Q32s")))
        self.state_root = f.take("32s")
        self.id = keyed("commit", f.data[start:f.at])
        self.slots, self.refs = f.list(lambda: f.take("I")), f.list(lambda: f.take("HBIIII32s"))
        self.skips, _l2_max = dict(f.list(lambda: f.take("H32s"))), f.take("d")
        self.moves = f.text() if f.take("B") else None
        self.base, self.data = (self.parents + [None])[0], self.refs  # where the data go on, and what leads here

def tree(entries, level):
    """The root over sorted entries that agree in their first `level` steps of four bits."""
    if len(entries) <= 16 or level == 32:
        return keyed("tree leaf", *itertools.chain(*entries)) if entries or level == 0 else bytes(32)
    step = lambda e: e[0][level // 2] >> (4 if level % 2 == 0 else 0) & 15
    return keyed("tree node", *(tree([e for e in entries if step(e) == i], level + 1) for i in range(16)))
