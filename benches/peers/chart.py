"""The results as an SVG chart: a row of panels for each figure, a panel for each pattern, a bar for each tool."""
import math
from xml.sax.saxutils import escape

import table

FIGURES = ["bytes", "synced", "one", "table", "changed", "peak"]
BAR, GAP, WIDTH, LABELS, TOP = 13, 3, 250, 400, 34
OWN, OTHER = "#c2410c", "#64748b"


def render(results):
    patterns, tools = table.order(results, "pattern"), table.order(results, "tool")
    height = TOP + len(tools) * (BAR + GAP) + 14
    parts = []
    for row, figure in enumerate(FIGURES):
        top = 40 + row * height
        for line, tool in enumerate(tools):
            parts.append(text(LABELS - 8, top + TOP + line * (BAR + GAP) + BAR - 3, table.about(tool)["NAME"], "end"))
        for column, pattern in enumerate(patterns):
            values = [table.median(results, pattern, tool, figure) for tool in tools]
            parts += panel(LABELS + column * (WIDTH + 20), top, pattern, figure, tools, values)
    wide, high = LABELS + len(patterns) * (WIDTH + 20) + 10, 50 + len(FIGURES) * height
    facts = results["about"]
    title = f"{facts['date']}, {facts['machine']}. {facts['note']} Bars are logarithmic, each panel from the least to the greatest; shorter is better."
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="11">',
        f'<rect width="{wide}" height="{high}" fill="white"/>', text(10, 22, title, size=12), *parts, "</svg>", "",
    ])


def panel(left, top, pattern, figure, tools, values):
    """Yields one panel; its bars begin at a third of the least value."""
    title, unit, shape = table.COLUMNS[figure]
    yield text(left, top + TOP - 10, f"{pattern}: {title}", weight="bold")
    known = [value for value in values if value]
    if not known:
        return
    least = min(known) / 3
    span = math.log(max(known) / least)
    for line, (tool, value) in enumerate(zip(tools, values)):
        y = top + TOP + line * (BAR + GAP)
        if not value:
            yield text(left, y + BAR - 3, "-")
            continue
        width = (WIDTH - 50) * math.log(value / least) / span
        yield f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{OWN if tool == "vecdelta" else OTHER}"/>'
        yield text(left + width + 4, y + BAR - 3, shape.format(value / unit))


def text(x, y, content, anchor="start", weight="normal", size=11):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="#111">{escape(content)}</text>'
