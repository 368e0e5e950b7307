"""The results as one Markdown table with notes."""
import ast
import os
import statistics

import data

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools")
COLUMNS = {
    "bytes": ("MB after all epochs", 1e6, "{:.1f}"),
    "disk": ("with caches", 1e6, "{:.1f}"),
    "commit": ("commit, s", 1, "{:.3g}"),
    "synced": ("commit, then all files synced, s", 1, "{:.3g}"),
    "one": ("one old vector, s", 1, "{:.2g}"),
    "table": ("whole old table, s", 1, "{:.3g}"),
    "changed": ("changed rows, s", 1, "{:.2g}"),
    "peak": ("peak MB, commits", 1e6, "{:.0f}"),
    "peak_read": ("peak MB, questions", 1e6, "{:.0f}"),
}


def about(tool):
    """Returns the constants of a tool's file, after those of the tool it is LIKE; its library need not be installed."""
    with open(os.path.join(TOOLS, f"{tool}.py")) as f:
        tree = ast.parse(f.read())
    out = {"CANNOT": {}}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                out[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                pass  # not a constant that the table shows
    return {**about(out["LIKE"]), **out} if "LIKE" in out else out


def median(results, pattern, tool, column):
    """Returns the median over all runs, of peaks the highest; None where nothing was measured."""
    values = []
    for run in results["runs"]:
        if (run["pattern"], run["tool"]) == (pattern, tool) and "error" not in run and column in run:
            values += run[column] if isinstance(run[column], list) else [run[column]]
    if not values:
        return None
    return max(values) if column.startswith("peak") else statistics.median(values)


def order(results, key):
    return list(dict.fromkeys(run[key] for run in results["runs"]))


def cell(results, pattern, tool, column):
    value = median(results, pattern, tool, column)
    if value is None:
        return "-"
    _, unit, shape = COLUMNS[column]
    own = median(results, pattern, "vecdelta", column)
    ratio = f" ({value / own:.2g}x)" if own and tool != "vecdelta" else ""
    return shape.format(value / unit) + ratio


def error(results, pattern, tool):
    return next((r["error"] for r in results["runs"] if (r["pattern"], r["tool"]) == (pattern, tool) and "error" in r), None)


def rows(results):
    for pattern in order(results, "pattern"):
        raw = next(r for r in results["runs"] if r["pattern"] == pattern)
        yield f"| **{pattern}**: {data.PATTERNS[pattern][1]}; {raw['epochs']} epochs of {raw['raw'] / 1e6:.1f} MB |" + " |" * len(COLUMNS)
        for tool in order(results, "tool"):
            if not any((r["pattern"], r["tool"]) == (pattern, tool) for r in results["runs"]):
                continue
            name = about(tool)["NAME"]
            if why := error(results, pattern, tool):
                yield f"| {name} | not measured: {why.replace('|', '/')} |" + " |" * (len(COLUMNS) - 1)
                continue
            yield f"| {name} | " + " | ".join(cell(results, pattern, tool, column) for column in COLUMNS) + " |"


def notes(results):
    for tool in order(results, "tool"):
        constants = about(tool)
        syncs = results["syncs"].get(tool)
        synced = "not counted (strace is absent)" if not results["syncs"] else "not counted" if syncs is None else f"{syncs:.3g} a commit"
        text = f"- **{constants['NAME']}**: {constants['HOW']}. The change is worked out by: {constants['DIFFERENCE']}. Calls to fsync and the like: {synced}."
        yield " ".join([text, *constants["CANNOT"].values()])


def render(results):
    facts = results["about"]
    head = ["change and tool"] + [title for title, _, _ in COLUMNS.values()]
    pairs = [(r["pattern"], r["tool"]) for r in results["runs"]]
    counted = min(pairs.count(pair) for pair in pairs)
    lines = [f"{facts['date']}, {facts['machine']}. {facts['note']}".rstrip(), "", f"Command: `{facts['command']}`", "", ", ".join(facts["versions"]) + "."]
    lines += ["", "Medians of all commits but the first and of three askings of each question; peaks are the highest. Histories of each tool: "
              f"{counted}. In brackets: times vecdelta's own figure.", ""]
    lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows(results), "", *notes(results)]
    return "\n".join(lines) + "\n"
