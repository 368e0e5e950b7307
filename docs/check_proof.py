#!/usr/bin/env python3
"""Checks a proof of vecdelta with what docs/proofs.md says and nothing else; prints what is proven, ends with 1 if nothing is.

    python3 docs/check_proof.py FILE ["ORIGIN SIZE ROOT"]      the line that was pinned

Needs blake3; read_records.py beside this file reads the record of a commit.
"""
import json, struct, sys
import read_records
from read_records import Commit, keyed

SIZES = [4, 8, 2, 2, 1, 1]  # bytes of an element

def left(size):
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1

def climb(leaf, at, size, path):
    """The root to which a path leads from record `at`."""
    if size == 1:
        return leaf if not path else None
    m, *rest, other = left(size), *path
    return keyed("log node", climb(leaf, at, m, rest), other) if at < m else keyed("log node", other, climb(leaf, at - m, size - m, rest))

def fold(then, size, root, path):
    """The roots of the shorter and the longer log; `root` is the shorter one's where it need not be in the path."""
    if then == size:
        node, = [root, *path] if root else path
        return node, node
    m, *rest, other = left(size), *path
    if then <= m:
        old, new = fold(then, m, root, rest)
        return old, keyed("log node", new, other)
    return tuple(keyed("log node", other, side) for side in fold(then - m, size - m, None, rest))

def check(proof, pinned=None):
    line = proof["checkpoint"]
    _, size, root = line.split()
    fields = {k: v for k, v in proof.items() if k != "checksum"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert keyed("proof", text.encode()).hex() == proof["checksum"], "the checksum differs"
    assert pinned in (None, line), "it leads to another checkpoint"
    path, size, root = [bytes.fromhex(h) for h in proof["path"]], int(size), bytes.fromhex(root)
    if proof["proof"] == "history":
        origin, then, old = proof["since"].split()
        assert origin == line.split()[0] and 0 < int(then) < size, "the checkpoints do not fit"
        assert fold(int(then), size, bytes.fromhex(old), path) == (bytes.fromhex(old), root), "the path leads elsewhere"
        return f"continues {proof['since']}"
    record = bytes.fromhex(proof["record"])
    frame = keyed("frame", b"VDf1\x02\0\0\0" + struct.pack("<Q", len(record)), record)
    fields = read_records.Borsh(record)
    sequence, _ = fields.take("Q32s")
    assert 0 < sequence <= size and climb(keyed("log leaf", frame), sequence - 1, size, path) == root, "the path leads elsewhere"
    commit = Commit(fields)
    return f"commit {commit.id.hex()}" + (check_source(commit, proof["source"]) if proof["proof"] == "source" else "")

def check_source(commit, part):
    name, key = part["collection"], part["key"].encode()
    state = [c for c in commit.collections if c[0] == name]
    place, leaf = keyed("key", key)[:16], [bytes.fromhex(e) for e in part["leaf"]]
    step = lambda level: place[level // 2] >> (4 if level % 2 == 0 else 0) & 15
    levels = len(part["nodes"])
    node = keyed("tree leaf", *leaf) if leaf or not levels else bytes(32)
    for level, others in zip(reversed(range(levels)), part["nodes"]):
        others = [bytes.fromhex(h) for h in others]
        node = keyed("tree node", *others[:step(level)], node, *others[step(level):])
    assert state or not (leaf or levels or part["bits"]), "there is no such collection"
    assert not state or node == state[0][5], "the way leads elsewhere"
    if part["bits"] is None:
        assert all(entry[:16] != place for entry in leaf), "the source is there"
        return f" {name}/{key.decode()} is not in the table"
    element, dims, bits = *state[0][1:3], bytes.fromhex(part["bits"])
    row = place + keyed("row", struct.pack("<IB", len(key), element), key, bits)
    assert row in leaf and len(bits) == dims * SIZES[element], "the bits are not those in the table"
    return f" {name}/{key.decode()} {bits.hex()}"

PROBLEMS = AssertionError, ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error

if __name__ == "__main__":
    try:
        print(check(json.load(open(sys.argv[1], encoding="utf-8")), *sys.argv[2:3]))
    except PROBLEMS as problem:
        sys.exit(f"nothing is proven: {problem}")
