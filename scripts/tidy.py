#!/usr/bin/env python3
"""Checks what ARCHITECTURE.md says about the code, and a few habits; prints each offence and ends with 1 if there is one.

    python3 scripts/tidy.py

Needs nothing but Python. It looks at the files that git knows and at new ones it does not ignore.
"""
import os, re, subprocess, sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
ENGINE = "engine/src/"

# A room may use the rooms before it.
ROOMS = ["delta", "codec", "store", "capture", "route", "window", "apply", "version", "export", "event", "wire", "pipeline", "answer", "serve", "cli"]

# What must not be found in the code (tests apart) of some rooms, and where it may be found after all.
DISK = r"\bstd::fs\b|\bfs::|\bFile::|\bmemmap2\b"
THREADS = r"\bcrossbeam_channel\b|\bthread::(spawn|scope|Builder)"
CLOCK = r"\bSystemTime::now|\bInstant\b|\bUtc::now|\bgetrandom\b|\brand::"
PRINT = r"\be?print(ln)?!|\bprocess::exit\b|\bstdout\(\)|\bstderr\(\)"
# Where a wire leads out of the machine; those to other servers are behind features. A pipeline file names addresses.
WIRES = [ENGINE + "serve/", ENGINE + "pipeline/follow/socket/", ENGINE + "pipeline/config/followed.rs", ENGINE + "wire/", ENGINE + "store/postgres/", ENGINE + "store/place.rs"]
ABSENT = [
    (["delta", "codec"], DISK + r"|\bstd::io\b|\brayon\b|\bMutex\b", [], "`delta` and `codec` do no I/O and know no threads"),
    (["version", "route", "window", "apply"], DISK, [], "`version`, `route`, `window` and `apply` never open a file"),
    (["capture"], DISK, [ENGINE + "capture/read/"], "in `capture` only the readers open files"),
    ([r for r in ROOMS if r not in ["pipeline", "serve"]], THREADS, [], "only `pipeline` and `serve` have threads"),
    ([r for r in ROOMS if r not in ["serve", "cli"]], CLOCK, [ENGINE + "wire/", ENGINE + "pipeline/follow/"], "only `serve` and `cli` ask the clock, and who follows a server; there is no randomness"),
    ([r for r in ROOMS if r != "cli"], PRINT, [], "only `cli` prints or ends the process"),
    (ROOMS, r"\bstd::net\b|\breqwest\b|\btokio\b|\basync fn\b|\basync_nats\b|(?<!super::)(?<!:)\bpostgres::", WIRES, "network and async code are in the rooms made for them"),
]
# The same for the inspector, by folder or file below inspector/src.
INSPECTOR = "inspector/src/"
INSPECTOR_ABSENT = [
    (("model/", "work/", "ask.rs", "ask/", "desk.rs"), r"\begui::|\beframe\b", "the inspector's model and worker know nothing of egui"),
    (("model/", "work/", "ask.rs", "ask/", "desk.rs", "ui/", "raster/"), DISK + "|" + CLOCK + r"|\bthread::|\bmpsc\b", "only the inspector's `native` knows files, threads and the clock"),
]
UNSAFE = ["kernels/src/avx2", "kernels/src/avx512", ENGINE + "store/map.rs"]
LINES_MAX = 600
READER_LINES_MAX = {"docs/read_vecdelta.py": 150, "docs/read_records.py": 150, "docs/read_codec.py": 150}
MACHINE = re.compile(r"(?<![\w.:}])/(home|root|Users|work|mnt)/\w")

offences = []


def note(path, line, text):
    offences.append(f"{path}:{line}: {text}")


def files():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted({n for n in names.stdout.splitlines() if os.path.isfile(os.path.join(ROOT, n))})


def is_test(path):
    """Whether a whole file is test code."""
    return path.endswith("/tests.rs") or "/tests/" in path or path.startswith("benches/")


def code_lines(text):
    """Returns (number, line) of the lines before the tests at the end of a file, without comments."""
    out = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.strip() == "#[cfg(test)]" and i + 1 < len(lines) and re.match(r"\s*mod \w+ \{", lines[i + 1]):
            break
        code = re.sub(r"(^|\s)//.*", "", line)
        if code.strip():
            out.append((i + 1, code))
    return out


def room_of(path):
    name = path[len(ENGINE):].split("/")[0].removesuffix(".rs") if path.startswith(ENGINE) else ""
    return name if name in ROOMS else None


def check_rust(path, text):
    if text.count("\n") > LINES_MAX:
        note(path, 1, f"more than {LINES_MAX} lines: split it")
    test = is_test(path)
    room = room_of(path)
    for number, line in code_lines(text):
        if re.search(r"\bunsafe\b(?!-)", line) and "-unsafe" not in line and not path.startswith(tuple(UNSAFE)):
            note(path, number, "unsafe outside kernels::avx2, kernels::avx512 and store::map")
        if test:
            continue
        if re.search(r"\.unwrap\(\)", line):
            note(path, number, "unwrap outside tests: return an error, or `expect` what holds")
        if room:
            check_room(path, number, line, room)
        for places, pattern, rule in INSPECTOR_ABSENT:
            if path.startswith(tuple(INSPECTOR + place for place in places)) and re.search(pattern, line):
                note(path, number, rule)
        if path.startswith("kernels/") and re.search(r"\bvecdelta::|\b" + DISK, line):
            note(path, number, "`kernels` knows nothing of the engine and of files")


def check_room(path, number, line, room):
    for used in re.findall(r"\bcrate::(\w+)", line):
        if used in ROOMS and ROOMS.index(used) > ROOMS.index(room):
            note(path, number, f"backward use: `{room}` comes before `{used}`")
    for rooms, pattern, allowed, rule in ABSENT:
        if room in rooms and re.search(pattern, line) and not path.startswith(tuple(allowed)):
            note(path, number, rule)


def check_text(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE.search(line):
            note(path, number, "a path of somebody's machine")
        if line != line.rstrip() and path.endswith((".rs", ".py", ".sh", ".toml")) and "/config/" not in path:
            note(path, number, "spaces at the end of the line")


def main():
    for path in files():
        try:
            text = open(os.path.join(ROOT, path), encoding="utf-8").read()
        except UnicodeDecodeError:
            continue
        if path.endswith(".rs"):
            check_rust(path, text)
        if path.endswith((".rs", ".py", ".sh", ".md", ".toml", ".yml", "justfile")):
            check_text(path, text)
        if path in READER_LINES_MAX and text.count("\n") > READER_LINES_MAX[path]:
            note(path, 1, f"more than {READER_LINES_MAX[path]} lines")
    for offence in offences:
        print(offence)
    print(f"tidy: {len(offences)} offences")
    sys.exit(1 if offences else 0)


main()
