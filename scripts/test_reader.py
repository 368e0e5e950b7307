#!/usr/bin/env python3
"""Histories made by the program, read back by docs/read_vecdelta.py, which shares no code with it.

    python3 scripts/test_reader.py [--program target/release/vecdelta] [--seed N] [--rounds N]

Each round makes one repository from a seed, for each element type: random epochs with inserts, updates, deletes and re-inserts,
values that are easily lost (NaN payloads, -0.0, infinities, subnormals), rows of a lower true precision, a second collection, a
branch, a tag, a rollback, a snapshot and a merge. Then every commit is rebuilt by the reader and compared, bit for bit, with what was
written here and with `vecdelta export`, and again after a compaction and after `gc`; a few are proven with `vecdelta prove` and checked by
docs/check_proof.py, which has to refuse every changed proof. The whole travels through a bundle into a clone and into another
repository, and is read there. A bit is flipped in a few places: the reader has to refuse.
Ends with 1 at the first difference; the last line is 'N passed, N failed'.
"""
import argparse, json, os, random, shutil, subprocess, sys, tempfile
import numpy as np
import pyarrow as pa

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "docs"))
import check_proof, read_vecdelta  # noqa: E402

ELEMENTS = ["f32", "f64", "f16", "bf16", "i8", "u8"]
BITS = {"f32": "<u4", "f64": "<u8", "f16": "<u2", "bf16": "<u2", "i8": "u1", "u8": "u1"}
ARROW = {"f32": pa.float32(), "f64": pa.float64(), "f16": pa.float16(), "bf16": pa.uint16(), "i8": pa.int8(), "u8": pa.uint8()}
MANTISSA = {"f32": 23, "f64": 52, "f16": 10, "bf16": 7}
passed = skips = 0


def check(ok, what):
    global passed
    if not ok:
        print(f"FAIL  {what}\n{passed} passed, 1 failed")
        sys.exit(1)
    passed += 1


def run(*args):
    done = subprocess.run([ARGS.program, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        check(False, f"vecdelta {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


# Values -----------------------------------------------------------------------------------------------------------------------

def to_bits(element, values):
    """Returns the bit patterns of numbers."""
    if element in ("i8", "u8"):
        return values.astype("i8").astype("u1")
    with np.errstate(all="ignore"):
        if element == "bf16":
            return (values.astype("f4").view("u4") >> 16).astype("<u2")
        return values.astype(BITS[element].replace("u", "f")).view(BITS[element])


def to_numbers(element, bits):
    if element in ("i8", "u8"):
        return bits.view("i1" if element == "i8" else "u1").astype("f8")
    with np.errstate(all="ignore"):
        if element == "bf16":
            return (bits.astype("u4") << 16).view("f4").astype("f8")
        return bits.view(BITS[element].replace("u", "f")).astype("f8")


def fresh_rows(rng, element, n, dims):
    if element in ("i8", "u8"):
        return to_bits(element, rng.integers(-128, 128, (n, dims)) if rng.random() < 0.5 else rng.normal(0, 20, (n, dims)).clip(-128, 127))
    values = rng.normal(0, 1, (n, dims)) * 10.0 ** rng.integers(-3, 3)
    kind = rng.integers(0, 6)
    if kind == 0:  # really bf16
        values = (values.astype("f4").view("u4") & 0xffff0000).view("f4")
    elif kind == 1:  # really f16
        with np.errstate(all="ignore"):
            values = values.astype("f2").astype("f4")
    elif kind == 2:  # really f32
        values = values.astype("f4").astype("f8")
    elif kind == 3:  # integers times a scale
        values = (rng.integers(-127, 128, (n, dims)).astype("f4") * rng.random((n, 1)).astype("f4")).astype("f4")
    return with_specials(rng, element, to_bits(element, values))


def with_specials(rng, element, bits):
    """Puts in what a float loses easily, in some of the blocks."""
    if rng.random() < 0.6 or bits.size == 0:
        return bits
    width, m = 8 * bits.dtype.itemsize, MANTISSA[element]
    sign, infinity = 1 << width - 1, ((1 << width - 1 - m) - 1) << m
    odd = [sign, 0, infinity, sign | infinity, infinity | 1, sign | infinity | 1 << m - 1 | 5, 1, sign | 3, (1 << m) - 1, infinity - 1]
    flat = bits.reshape(-1)
    for i in rng.integers(0, flat.size, max(1, flat.size // 50)):
        flat[i] = odd[rng.integers(0, len(odd))]
    return bits


def changed_rows(rng, element, bits):
    """Returns rows that are like these, in one of the ways in which real tables move."""
    bits, kind = bits.copy(), rng.integers(0, 5)
    if bits.size == 0:
        return bits
    if kind == 0:
        return fresh_rows(rng, element, *bits.shape)
    if kind == 1 or element in ("i8", "u8"):  # few components
        flat = bits.reshape(-1)
        places = rng.integers(0, flat.size, max(1, flat.size // 20))
        flat[places] = fresh_rows(rng, element, 1, len(places)).reshape(-1)
        return bits
    if kind == 2:  # the last bits
        return bits ^ rng.integers(0, 8, bits.shape).astype(bits.dtype)
    with np.errstate(all="ignore"):
        values = to_numbers(element, bits)
        moved = to_bits(element, values + rng.normal(0, 1, bits.shape) * 10.0 ** rng.integers(-5, 0))
    return np.where(rng.random(bits.shape) < (0.1 if kind == 3 else 1.0), moved, bits)


# Tables -----------------------------------------------------------------------------------------------------------------------

def next_epoch(rng, element, dims, table, gone):
    """Returns {key: row} with some rows changed, some gone, some new and some back again."""
    keys = [k for k in table if rng.random() > 0.1]
    moving = [k for k in keys if rng.random() < rng.choice([0.0, 0.3, 1.0])]
    out = {k: table[k] for k in keys}
    if moving:
        rows = changed_rows(rng, element, np.stack([table[k] for k in moving]))
        out.update(zip(moving, rows))
    back = [k for k in sorted(gone) if rng.random() < 0.5 and k not in out]
    new = [random_key(rng, i) for i in range(rng.integers(0, 120))]
    new = [k for k in dict.fromkeys(back + new) if k not in out and k not in table]
    out.update(zip(new, fresh_rows(rng, element, len(new), dims)))
    order = list(out)
    if rng.random() < 0.5:
        rng.shuffle(order)
    return {k: out[k] for k in order}


def trained_epoch(rng, element, dims, table):
    """Returns {key: row} in which every row moved a little; a few are gone or new."""
    keys = [k for k in table if rng.random() > 0.02]
    if not keys:
        return {}
    bits = np.stack([table[k] for k in keys])
    if element in ("i8", "u8"):
        moved = bits + rng.integers(1, 3, bits.shape).astype("u1")
    else:
        with np.errstate(all="ignore"):
            moved = to_bits(element, to_numbers(element, bits) * (1 + rng.normal(0, 1, bits.shape) * 1e-2))
    new = [k for k in {random_key(rng, i): 0 for i in range(rng.integers(0, 3))} if k not in table]
    return {**dict(zip(keys, moved)), **dict(zip(new, fresh_rows(rng, element, len(new), dims)))}


def random_key(rng, i):
    kind = rng.integers(0, 4)
    if kind == 0:
        return f"doc/{i:05}/{rng.integers(0, 9)}"
    if kind == 1:
        return str(rng.integers(0, 10**12))
    if kind == 2:
        return "Zürich-\U0001f642-" + "ä" * int(rng.integers(1, 200)) + str(i)
    return f"{rng.integers(0, 2**63):016x}"


def write_epoch(path, element, dims, table):
    rows = np.stack(list(table.values())) if table else np.zeros((0, dims), BITS[element])
    items = pa.Array.from_buffers(ARROW[element], rows.size, [None, pa.py_buffer(np.ascontiguousarray(rows).tobytes())])
    meta = {"vecdelta.element": "bf16"} if element == "bf16" else None
    column = pa.FixedSizeListArray.from_arrays(items, dims)
    schema = pa.schema([pa.field("id", pa.string()), pa.field("vector", column.type, metadata=meta)])
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(pa.table([pa.array(list(table), pa.string()), column], schema=schema))


def read_export(path, element):
    """Returns {key: bytes} of an exported Arrow file."""
    with pa.OSFile(path) as file:
        table = pa.ipc.open_file(file).read_all().combine_chunks()
    if table.num_rows == 0:
        return {}
    column = table.column(1).chunk(0)
    size, dims = np.dtype(BITS[element]).itemsize, column.type.list_size
    items = column.values.slice(column.offset * dims, len(column) * dims)
    start = items.offset * size
    data = bytes(items.buffers()[1])[start:start + len(items) * size]
    width = dims * size
    return {k: data[i * width:(i + 1) * width] for i, k in enumerate(table.column(0).to_pylist())}


# One history ------------------------------------------------------------------------------------------------------------------

class History:
    """A repository and what each of its commits has to hold."""
    def __init__(self, work, element, seed):
        self.rng, self.seed = np.random.default_rng(seed), seed
        self.trains = self.rng.random() < 0.4
        self.path, self.file = os.path.join(work, "r.vd"), os.path.join(work, "epoch.arrow")
        self.dims = {"vectors": int(self.rng.integers(1, 48)), "other": int(self.rng.integers(1, 9))}
        self.elements = {"vectors": element, "other": str(self.rng.choice(ELEMENTS))}
        self.tables, self.roots, self.gone, self.order = {}, {}, {"vectors": set(), "other": set()}, []

    def note(self, commit, table):
        self.tables[commit["commit"]], self.roots[commit["commit"]] = table, commit["state_root"]
        self.order.append(commit["commit"])
        return commit["commit"]

    def ingest(self, head, collection="vectors", branch="main"):
        before = self.tables[head] if head else {}
        own = before.get(collection, {})
        element, dims = self.elements[collection], self.dims[collection]
        if self.trains and own:
            epoch = trained_epoch(self.rng, element, dims, own)
        else:
            epoch = next_epoch(self.rng, element, dims, own, self.gone[collection])
        keep = self.rng.random() < 0.3
        write_epoch(self.file, self.elements[collection], self.dims[collection], epoch)
        done = json.loads(run("ingest", self.path, self.file, "--collection", collection, "--branch", branch,
                              "--missing", "keep" if keep else "delete", "--json"))
        self.gone[collection] |= set(own) - set(epoch)
        return self.note(done["commits"][0], {**before, collection: {**own, **epoch} if keep else epoch})

    def make(self, epochs):
        head = self.ingest(None)
        for i in range(epochs):
            head = self.ingest(head, "other" if self.rng.random() < 0.25 else "vectors")
            if i == epochs // 3:
                run("snapshot", self.path)
                run("tag", self.path, "pinned", "--at", head)
                run("branch", self.path, "side", "--at", head)
                side = head
            elif i > epochs // 3 and self.rng.random() < 0.4:
                side = self.ingest(side, branch="side")
        to = self.order[int(self.rng.integers(0, len(self.order)))]
        run("branch", self.path, "back", "--at", head)
        run("rollback", self.path, "--branch", "back", "--to", to)
        self.note(json.loads(run("show", self.path, "back", "--json")), self.tables[to])
        run("branch", self.path, "gone", "--at", head)
        run("branch", self.path, "--delete", "gone")
        head = self.ingest(head)
        done = json.loads(run("merge", self.path, "side", "--into", "main", "--strategy", "theirs", "--json"))
        if done["commit"]:  # the branch may have nothing of its own
            merged = json.loads(run("show", self.path, "main", "--json"))
            check(len(merged["parents"]) == 2, "a merge has two parents")
            # Merging has an oracle of its own; here the reader has to agree with the program.
            head = self.note(merged, {name: self.exported(name) for name in self.tables[head]})
        self.heads = {"main": head, "side": side}

    def exported(self, collection):
        run("export", self.path, "--collection", collection, "--output", self.file)
        bits = BITS[self.elements[collection]]
        return {k: np.frombuffer(row, bits) for k, row in read_export(self.file, self.elements[collection]).items()}


def compare(history, work):
    global skips
    repository = read_vecdelta.Repository(history.path)
    skips += sum(bool(c.skips) for c in repository.commits.values())
    check([c.hex() for c in repository.commits] == history.order, "the commits, in the order in which they were made")
    check("gone" not in {n for n, c in repository.branches.items() if c}, "a deleted branch is gone")
    check(all(repository.branches[n].hex() == c for n, c in history.heads.items()), "the heads of the branches")
    check("pinned" in repository.tags, "the tag")
    check(read_vecdelta.resolve(repository, history.order[-1][:12]).hex() == history.order[-1], "a prefix of a hash")
    left_out = {c.hex() for spans, _, _ in repository.compactions.values() for span in spans for c in span[2]}
    for commit, wanted in history.tables.items():
        if commit in left_out:
            continue
        found = repository.table(bytes.fromhex(commit))
        check(repository.commits[bytes.fromhex(commit)].state_root.hex() == history.roots[commit], f"{commit}: state root")
        for name, rows in wanted.items():
            place = f"seed {history.seed} {history.elements[name]} commit {commit[:12]} collection {name}"
            want = {k: row.tobytes() for k, row in rows.items()}
            check(found[name][1] == history.dims[name] and found[name][2] == want, f"{place}: the reader differs from the input")
            exported = os.path.join(work, "export.arrow")
            run("export", history.path, "--at", commit, "--collection", name, "--output", exported)
            check(read_export(exported, history.elements[name]) == want, f"{place}: the export differs from the input")
            os.remove(exported)
    return len(left_out)


def proves(history, work):
    """What `vecdelta prove` writes, checked by docs/check_proof.py: commits, sources that are there or not, the history."""
    pick, file = random.Random(history.seed), os.path.join(work, "proof.json")
    old = json.loads(run("checkpoint", history.path, "--json"))
    run("tag", history.path, "proven", "--at", history.order[0])
    pinned = run("checkpoint", history.path).strip()
    asked = [["--since", f"{old['origin']} {old['size']} {old['root']}"], [pick.choice(history.order)]]
    for commit in pick.sample(history.order, min(4, len(history.order))):
        for name, rows in history.tables[commit].items():
            keys = [*pick.sample(sorted(rows), min(2, len(rows))), "nobody"]
            asked += [[f"{name}/{key}", "--at", commit] for key in keys]
    for args in asked:
        run("prove", history.path, *args, "--output", file)
        text, said = open(file, encoding="utf-8").read(), run("check-proof", file, "--checkpoint", pinned)
        found = check_proof.check(json.loads(text), pinned)
        if len(args) == 3 and args[2] in history.tables:
            name, key = args[0].split("/", 1)
            row = history.tables[args[2]][name].get(key)
            end = f" {args[0]} is not in the table" if row is None else f" {args[0]} {row.tobytes().hex()}"
            check(found == f"commit {args[2]}{end}" and args[2] in said, f"seed {history.seed}: the proof of {args[0]} at {args[2][:12]}")
        for _ in range(4):
            at = pick.randrange(len(text))
            changed = text[:at] + pick.choice("0123456789abcdef") + text[at + 1:]
            check(json_of(changed) in (None, json.loads(text)) or refused(json_of(changed), pinned), f"a proof with another byte at {at}")
        os.remove(file)


def travels(history, work):
    """Copies by way of a bundle: a clone, and what another repository pulls, read by docs/read_vecdelta.py."""
    pack, copy, other = (os.path.join(work, name) for name in ("all.vdpack", "copy.vd", "other.vd"))
    run("bundle", history.path, "--output", pack)
    run("clone", pack, copy)
    found = read_vecdelta.Repository(copy)
    check([c.hex() for c in found.commits] == history.order, f"seed {history.seed}: the commits of a clone")
    write_epoch(history.file, "f32", 3, {})
    run("ingest", other, history.file, "--branch", "own", "--collection", "own")
    run("pull", other, pack)
    pulled = read_vecdelta.Repository(other)
    for name, head in history.heads.items():
        want = {c: {k: row.tobytes() for k, row in rows.items()} for c, rows in history.tables[head].items()}
        for repository in (found, pulled):
            rows = {c: table[2] for c, table in repository.table(bytes.fromhex(head)).items()}
            check(repository.branches[name].hex() == head and rows == want, f"seed {history.seed}: {name} as it arrived")
    for path in (pack, copy, other):
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def json_of(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def refused(proof, pinned):
    try:
        check_proof.check(proof, pinned)
        return False
    except check_proof.PROBLEMS:
        return True


def refuses_damage(history):
    """A flipped bit anywhere in head or log ends the reader with a message."""
    pick = random.Random(history.seed)
    for _ in range(6):
        path = os.path.join(history.path, pick.choice(["head", "log/00000000.vdlog", "log/00000000.vdlog"]))
        good = open(path, "rb").read()
        at = pick.randrange(len(good)) if "log" in path else pick.choice([0, 9, 40, 490, 512, 600, 1020])
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([good[at] ^ 1 << pick.randrange(8)]))
        done = subprocess.run([sys.executable, os.path.join(HERE, "..", "docs", "read_vecdelta.py"), history.path, "--list"],
                              capture_output=True, text=True)
        check(done.returncode == 1 and done.stderr.startswith("damaged:"), f"byte {at} of {path} was changed: {done.stderr}")
        open(path, "wb").write(good)


def main():
    for seed in range(ARGS.seed, ARGS.seed + ARGS.rounds):
        for element in ELEMENTS:
            work = tempfile.mkdtemp(prefix="vecdelta-reader-")
            history = History(work, element, seed * 1000 + ELEMENTS.index(element))
            history.make(epochs=7)
            compare(history, work)
            proves(history, work)
            travels(history, work)
            refuses_damage(history)
            for command in (["compact", "--keep-every", "3"], ["gc"]):
                run(command[0], history.path, *command[1:])
                check(compare(history, work) > 0, "something was left out")
            shutil.rmtree(work)
            print(f"ok    seed {seed} {element}: {len(history.order)} commits", flush=True)
    check(skips > 0, "some commits are coded against an earlier one than their parent")
    print(f"{passed} passed, 0 failed")


parser = argparse.ArgumentParser()
parser.add_argument("--program", default=os.path.join(HERE, "..", "target", "release", "vecdelta"))
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--rounds", type=int, default=2)
ARGS = parser.parse_args()
if __name__ == "__main__":
    main()
