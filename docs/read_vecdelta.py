#!/usr/bin/env python3
"""Reads a vecdelta repository with what docs/format.md says and nothing else.

    python3 docs/read_vecdelta.py REPO [REV]     check every frame, rebuild the table, compare its root, print it
    python3 docs/read_vecdelta.py REPO --list    check every frame, print the commits, oldest first
REV is a branch, a tag, or 6 or more digits of a commit's hash; `main` unless given. A row prints as `collection/key bits`,
the bits in hex. Needs numpy and blake3; read_records.py and read_codec.py beside this file read what is in records and blocks.
"""
import collections, itertools, mmap, os, struct, sys
import numpy as np, read_codec, read_records
from blake3 import blake3
from read_records import keyed

SIZES = [4, 8, 2, 2, 1, 1]  # bytes of an element: f32, f64, f16, bf16, i8, u8
def check(ok, where, problem):
    if not ok:
        sys.exit(f"damaged: {where}: {problem}")

class Repository:
    def __init__(self, path):
        self.commits, self.branches, self.tags, self.compactions, self.sequence, self.last = {}, {}, {}, {}, 0, bytes(32)
        head = open(os.path.join(path, "head"), "rb").read()
        slots = read_records.heads(path, head)
        check(len(slots) == 2, "head", "a slot is damaged; the next writer restores it from the log")
        sequence, segment, first, length, last, origin = max(slots)
        for number in range(first, segment + 1):
            file = f"{path}/log/{number:08}.vdlog"
            log = memoryview(mmap.mmap(os.open(file, os.O_RDONLY), 0, access=mmap.ACCESS_READ))
            header = struct.pack("<8sII32s", b"VDLOG%03d" % read_records.FORMAT, number, first, origin)
            at, end = 64, length if number == segment else len(log)
            check(log[:64] == header + blake3(header).digest()[:16] and end <= len(log), file, "header damaged or end missing")
            while at < end:
                at = self.transaction(file, log, at, end)
        check((self.sequence, self.last) == (sequence, last), "head", "the log ends elsewhere")
        self.compose()

    def transaction(self, file, log, at, end):
        """Reads blocks and the record that ends them; returns where that ends."""
        blocks, kind = [], 1
        while kind == 1:
            check(at + 48 <= end, f"{file} at {at}", "the log ends within a frame")
            magic, kind, size, frame = struct.unpack_from("<4sB3xQ32s", log, at)
            check(magic == b"VDf1" and at + 48 + size <= end, f"{file} at {at}", "there is no frame here")
            payload = log[at + 48:at + 48 + size]
            check(keyed("frame", log[at:at + 16], payload) == frame, f"{file} at {at}", "the frame is damaged")
            blocks.append((frame, payload))
            at += 48 + size
        blocks, fields = blocks[:-1], read_records.Borsh(payload)
        check(fields.take("Q32s") == (self.sequence + 1, self.last), file, "a record does not follow the one before it")
        refs = self.commit(file, fields, blocks) if kind == 2 else self.operation(fields, blocks)
        whole, found = [r[5:] for r in refs], [(len(p), h) for h, p in blocks]
        check(fields.at == len(payload) and found in (whole, [r[5:] for r in refs if r[1] == 0]), file,
              "a record does not name the blocks before it")
        self.sequence, self.last = self.sequence + 1, frame
        return at

    def commit(self, file, fields, blocks):
        commit = read_records.Commit(fields)
        commit.payloads = {h: p for h, p in blocks}
        named = [struct.pack("<I", len(c[0].encode())) + c[0].encode() + struct.pack("<BIQ32s", *c[1:3], *c[4:])
                 for c in commit.collections if c[4] > 0]
        check(keyed("state", *named) == commit.state_root, file, "a state root is not that of the collections")
        self.commits[commit.id] = commit
        self.branches.update({commit.moves: commit.id} if commit.moves is not None else {})
        return commit.refs

    def operation(self, f, blocks):
        action, refs = (f.take("QII"), f.text(), f.take("Q"), f.take("B"))[3], []  # time, author, what it takes back
        ident, block = lambda: f.take("32s"), lambda: f.take("HBIIII32s")
        if action < 2:  # a branch or a tag moves
            name, (_, to) = f.text(), [f.take("B") and ident() for _ in range(2)]
            (self.tags if action else self.branches)[name] = to
        elif action == 2: _, refs = ident(), f.list(block)  # a snapshot: only a shorter way
        elif action == 4:  # a compaction: what leads to a commit is here now
            spans, refs = f.list(lambda: (ident(), f.take("B") and ident(), f.list(ident), f.take("I"))), f.list(block)
            self.compactions[self.sequence + 1] = spans, refs, dict(blocks)
        elif action == 5: del self.compactions[f.take("Q")]
        elif action == 9:  # a branch or a tag gets another name
            names, old = self.tags if f.take("B") else self.branches, f.text()
            names[f.text()] = names.pop(old)
        f.at = len(f.data)  # other operations do not change a table
        return refs

    def compose(self):
        for spans, refs, payloads in self.compactions.values():
            for commit, base, _, count in spans:
                own, refs = refs[:count], refs[count:]
                self.commits[commit].base, self.commits[commit].data = base, own
                self.commits[commit].payloads.update(payloads)

    def table(self, commit):
        """Rebuilds the table at a commit: {collection: (element, dims, {key: bits})}."""
        parent = lambda c: c.parents and self.commits[c.parents[0]]
        base = lambda c: c.base and self.commits[c.base]
        way, keys, rows, alive, out = back(self.commits[commit], base), collections.defaultdict(list), {}, {}, {}
        earlier = {c: {} for step in way for c in step.skips.values()}
        for step in back(self.commits[commit], parent):  # keys stay, whatever was compacted
            for number, kind, _, first, _, _, block in step.refs:
                if kind == 0:
                    keys[step.collections[number][0]][first:] = read_codec.read_texts(read_codec.Reader(step.payloads[block]))
        for step in way:
            for (name, element, dims, *_), count in zip(step.collections, step.slots):
                if name not in rows or rows[name].shape[1] != dims * SIZES[element]:
                    rows[name], alive[name] = np.zeros((0, dims * SIZES[element]), "u1"), np.zeros(0, bool)
                rows[name] = np.pad(rows[name], ((0, count - len(alive[name])), (0, 0)))
                alive[name] = np.pad(alive[name], (0, count - len(alive[name])))
            for number, kind, count, _, _, _, block in step.data:
                name, element, dims = step.collections[number][:3]
                if kind == 1:  # the slots of a part
                    lists = read_codec.Reader(step.payloads[block])
                    fresh, change, deleted = (read_codec.read_sorted(lists) for _ in range(3))
                    part, alive[name][deleted] = iter(fresh + change), False
                elif kind in (2, 3, 6):  # its rows, whole (2) or coded against what they were before (3) or at an earlier commit (6)
                    slots = list(itertools.islice(part, count))
                    old = rows[name] if kind != 6 else read_codec.padded(earlier[step.skips[number]][name], rows[name].shape)
                    new = read_codec.read_block(element, dims, count, step.payloads[block], old[slots].tobytes())
                    rows[name][slots], alive[name][slots] = np.frombuffer(new, "u1").reshape(count, -1), True
            if step.id in earlier:  # later ones need its rows; zeros where there was none
                earlier[step.id] = {n: r * alive[n][:, None] for n, r in rows.items()}
        for name, element, dims, _, count, root in way[-1].collections:
            held = [(keys[name][s].encode(), rows[name][s].tobytes()) for s in np.flatnonzero(alive[name])]
            row_hash = lambda k, row: keyed("row", struct.pack("<IB", len(k), element), k, row)
            entries = sorted((keyed("key", k)[:16], row_hash(k, row)) for k, row in held)
            check(len(held) == count and read_records.tree(entries, 0) == root, commit.hex(), f"{name} is not the table it should be")
            out[name] = element, dims, {k.decode(): row for k, row in held}
        return out

def back(commit, before):
    way = [commit]
    while before(way[-1]):
        way.append(before(way[-1]))
    return way[::-1]

def resolve(repository, rev):
    named = repository.branches.get(rev) or repository.tags.get(rev)
    fits = [named] if named else [c for c in repository.commits if len(rev) >= 6 and c.hex().startswith(rev)]
    return fits[0] if len(fits) == 1 else sys.exit(f"{len(fits)} commits have the name {rev}")

if __name__ == "__main__":
    words = [a for a in sys.argv[1:] if a != "--list"] or sys.exit(__doc__)
    repository = Repository(words[0])
    for c in repository.commits.values() if "--list" in sys.argv else []:
        print(c.id.hex(), ",".join(p.hex()[:12] for p in c.parents) or "-", c.branch, c.message)
    if "--list" not in sys.argv and (words[1:] or repository.commits):
        for name, (_, _, rows) in repository.table(resolve(repository, (words + ["main"])[1])).items():
            print("".join(f"{name}/{key} {row.hex()}\n" for key, row in rows.items()), end="")
