#!/usr/bin/env python3
"""Every tool in turn on the same files: writes results.json, and prints and writes table.md and chart.svg.

    scripts/bench-peers.sh [--rows 100000] [--dims 384] [--epochs 20] [--patterns W1,W2,W3,W4,debian] [--tools NAME,...] [--runs 3]

This process imports nothing large: the memory of the processes it starts is measured.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

import chart
import data
import table

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = ["vecdelta", "vecdelta_library", "vecdelta_memory", "vecdelta_served", "lance_best", "lance_indexed", "lance", "duckdb_history", "tiledb_rows", "zstd_patch"]
TOOLS += ["parquet_changes", "parquet_zstd", "parquet_whole", "delta", "icechunk_auto", "icechunk_rows", "xdelta"]
SYNCS = "trace=fsync,fdatasync,syncfs,sync,sync_file_range,msync"


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rows", type=int, default=100_000)
    p.add_argument("--dims", type=int, default=384)
    p.add_argument("--epochs", type=int, default=20, help="after the first (default %(default)s)")
    p.add_argument("--patterns", default=",".join(data.PATTERNS))
    p.add_argument("--tools", default=",".join(TOOLS))
    p.add_argument("--runs", type=int, default=3, help="whole histories of each tool (default %(default)s)")
    p.add_argument("--limit", type=int, default=3600, help="seconds that one phase of one tool may take (default %(default)s)")
    p.add_argument("--note", default="", help="a sentence on the machine for the head of the table")
    p.add_argument("--work", default="target/peers/work", help="where data and repositories are made, and removed again")
    p.add_argument("--out", default="target/peers")
    args = p.parse_args()
    args.patterns, args.tools = args.patterns.split(","), args.tools.split(",")
    return args


def worker(phase, tool, directory, source, limit, before=()):
    """Returns what a worker printed, or {"error": why it failed}."""
    command = [*before, sys.executable, os.path.join(HERE, "worker.py"), phase, tool, directory, source]
    # In a group of its own: a program that it has started ends with it, and writes no file behind the one who tidies up.
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, complained = started.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        return {"error": f"{phase} took more than {limit} s"}
    if started.returncode:
        return {"error": f"{phase}: " + (complained.strip().splitlines() or [f"exit code {started.returncode}"])[-1][:300]}
    return json.loads(said.splitlines()[-1])


def make(pattern, args, rows, epochs):
    source = os.path.join(args.work, f"data-{pattern}")
    shutil.rmtree(source, ignore_errors=True)
    program = [sys.executable, os.path.join(HERE, "data.py"), pattern, str(rows), str(args.dims), str(epochs), source]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    os.sync()  # nobody waits for these bytes later
    return source


def size(directory, without=None):
    """Returns the bytes of all files below a directory, some folders left out."""
    total = 0
    for path, folders, names in os.walk(directory):
        folders[:] = [folder for folder in folders if folder != without]
        total += sum(os.path.getsize(os.path.join(path, name)) for name in names)
    return total


def history(tool, pattern, source, args, check):
    """Commits all epochs, asks, and checks the answers; removes what it made."""
    directory = os.path.join(args.work, f"{pattern}-{tool}")
    remove(directory)
    out = worker("commit", tool, directory, source, args.limit)
    if "error" not in out:
        out["bytes"] = size(directory, table.about(tool).get("DERIVED"))
        out["disk"] = size(directory)
        answers = worker("read", tool, directory, source, args.limit)
        out["peak_read"] = answers.pop("peak", 0)
        out.update(answers)
    if check and "error" not in out:
        out.update({k: v for k, v in worker("check", tool, directory, source, args.limit).items() if k != "peak"})
    remove(directory)
    return out


def remove(directory):
    parent = os.path.dirname(directory)
    for name in os.listdir(parent):
        if name == os.path.basename(directory) or name.startswith(os.path.basename(directory) + "-scratch"):
            path = os.path.join(parent, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def count_syncs(args):
    """Returns how often each tool asks the kernel to sync, on average for a commit of a small table; {} without strace."""
    if shutil.which("strace") is None:
        return {}
    source, counts, log = make("W1", args, 1000, 5), {}, os.path.join(args.work, "strace.txt")
    for tool in args.tools:
        directory = os.path.join(args.work, f"count-{tool}")
        out = worker("count", tool, directory, source, args.limit, ["strace", "-f", "-qq", "-e", SYNCS, "-o", log])
        if "error" not in out:
            with open(log) as f:
                counts[tool] = len(re.findall(r"\b(?:fsync|fdatasync|syncfs|sync|sync_file_range|msync)\(", f.read())) / 6
        remove(directory)
    return counts


def machine():
    with open("/proc/cpuinfo") as f:
        names = re.findall(r"model name\s*: (.*)", f.read())
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s*(\d+)", f.read())[1]) / 2**20
    return f"{len(names)} x {names[0] if names else platform.processor()}, {memory:.0f} GiB, Linux {platform.release()}"


def versions():
    out = subprocess.run([sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"], capture_output=True, text=True)
    wanted = ("pylance", "deltalake", "icechunk", "zarr", "tiledb", "duckdb", "pyarrow", "numpy")
    found = {p["name"]: p["version"] for p in json.loads(out.stdout or "[]")}
    text = [f"{name} {found.get(name, 'absent')}" for name in wanted]
    for program in (["zstd", "--version"], ["xdelta3", "-V"]):
        try:
            done = subprocess.run(program, capture_output=True, text=True)
            text.append(f"{program[0]} " + re.search(r"\d+\.\d+[.\d]*", done.stdout + done.stderr)[0])
        except FileNotFoundError:
            text.append(f"{program[0]} absent")
    return text


def main():
    args = options()
    os.makedirs(args.work, exist_ok=True)
    os.makedirs(args.out, exist_ok=True)
    start = {"date": time.strftime("%Y-%m-%d"), "machine": machine(), "note": args.note, "versions": versions()}
    start["command"] = " ".join(["scripts/bench-peers.sh", *sys.argv[1:]])
    results = {"about": start, "syncs": count_syncs(args), "runs": []}
    for pattern in args.patterns:
        source = make(pattern, args, args.rows, args.epochs)
        raw = [os.path.getsize(path) for path in data.files(source)]
        for number in range(args.runs):
            for tool in args.tools:
                begin = time.monotonic()
                out = history(tool, pattern, source, args, check=number == 0)
                results["runs"].append({"pattern": pattern, "tool": tool, "epochs": len(raw) - 1, "raw": raw[0], **out})
                print(f"{pattern} run {number + 1} {tool}: {time.monotonic() - begin:.0f} s {out.get('error', '')}", file=sys.stderr, flush=True)
                write(results, args)
        shutil.rmtree(source)
    print(table.render(results))


def write(results, args):
    """Writes all three files anew, so that a run that is ended early leaves what it found."""
    texts = {"results.json": json.dumps(results, indent=1), "table.md": table.render(results), "chart.svg": chart.render(results)}
    for name, text in texts.items():
        with open(os.path.join(args.out, name), "w") as f:
            f.write(text)


main()
