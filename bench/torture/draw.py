#!/usr/bin/env python3
"""Draws what bench_torture counted.

  draw.py RESULT.json FILE.svg

For each design: the bouts that ended with a payment made twice, lost, or with money spent twice; those
that left somebody stuck; and when the next holder came, after a kill and after a stop. That scale is
logarithmic.
"""
import html
import json
import math
import sys

COUNTS = (("twice", "paid twice", "#c33"), ("lost", "lost", "#c33"), ("overdrawn", "overdrawn", "#c33"),
          ("stuck", "stuck", "#c80"), ("waits", "waits out a stop", "#999"))
LEFT, COLUMN, GAP, SCALE, ROW, TOP = 215, 74, 40, 380, 19, 84
LOW, HIGH = -1, 4  # powers of ten, in ms


def place(ms):
    power = min(max(math.log10(max(ms, 1e-9)), LOW), HIGH)
    return LEFT + len(COUNTS) * COLUMN + GAP + (power - LOW) / (HIGH - LOW) * SCALE


def counts(row):
    wrong = row["all"]
    return {"twice": wrong["twice"], "lost": wrong["lost"], "overdrawn": wrong["overdrawn"],
            "stuck": wrong["stuck"], "waits": row["stops"]["waits_out_a_stop"]}


def draw_counts(parts, row, y):
    for i, (key, _, colour) in enumerate(COUNTS):
        count, x = counts(row)[key], LEFT + i * COLUMN
        if count == 0:
            parts.append(f'<circle cx="{x + 30}" cy="{y + 8}" r="3" fill="#2a2"/>')
            continue
        width = min(1.0, math.log2(count + 1) / 5) * (COLUMN - 10)
        parts.append(f'<rect x="{x}" y="{y + 1}" width="{width:.1f}" height="{ROW - 5}" fill="{colour}"/>'
                     f'<text x="{x + 4}" y="{y + 12}" fill="#fff" font-weight="bold">{count}</text>')


def draw_next(parts, values, y, colour, never):
    """All of them as a line, their median as a dot."""
    if not values:
        if never:
            parts.append(f'<text x="{place(1e4) + 6:.1f}" y="{y + 4}" fill="{colour}">never</text>')
        return
    values = sorted(values)
    low, middle, high = (place(values[at]) for at in (0, len(values) // 2, -1))
    parts.append(f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{colour}" stroke-width="2"/>'
                 f'<circle cx="{middle:.1f}" cy="{y}" r="3.5" fill="{colour}"/>')


def draw_head(parts, title, bottom):
    parts.append(f'<text x="10" y="20" font-size="14">{html.escape(title)}</text>'
                 '<text x="10" y="40">A green dot: none. "Waits out a stop": the next holder came only when the '
                 'stopped one went on.</text>')
    for i, (_, text, _) in enumerate(COUNTS):
        for k, word in enumerate(text.split(" ", 1)):
            parts.append(f'<text x="{LEFT + i * COLUMN}" y="{TOP - 22 + 12 * k}">{word}</text>')
    parts.append(f'<text x="{place(0)}" y="{TOP - 24}">next holder, <tspan fill="#36c">after a kill</tspan> and '
                 '<tspan fill="#c63">after a stop</tspan>: median, least to most</text>')
    for power in range(LOW, HIGH + 1):
        x, text = place(10 ** power), f"{10 ** power:g} ms" if power < 3 else f"{10 ** (power - 3):g} s"
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{text}</text>')


def picture(title, rows):
    bottom = TOP + len(rows) * ROW
    width, height = place(1e4) + 70, bottom + 26
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>']
    draw_head(parts, title, bottom)
    for i, row in enumerate(rows):
        y = TOP + i * ROW
        weight = ' font-weight="bold"' if row["design"].startswith("casbook") else ""
        form = ' fill="#888"' if row["form"] == "usual" else ""
        parts.append(f'<text x="{LEFT - 10}" y="{y + 12}" text-anchor="end"{weight}{form}>'
                     f'{html.escape(row["design"])}</text>')
        draw_counts(parts, row, y)
        draw_next(parts, row["kills"]["next_ms"], y + 5, "#36c", True)
        draw_next(parts, row["stops"]["next_ms"], y + 11, "#c63", False)
    return "".join(parts) + "</svg>\n"


def main(result, path):
    with open(result, encoding="utf-8") as file:
        played = json.load(file)
    bouts = max((row["all"]["bouts"] for row in played["rows"]), default=0)
    title = (f'The torture, {bouts} bouts for each design ({played["commit"][:12]}, {played["machine"]}, '
             f'{played["date"][:10]})')
    with open(path, "w", encoding="utf-8") as file:
        file.write(picture(title, played["rows"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
