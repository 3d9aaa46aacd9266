#!/usr/bin/env python3
"""Draws what bench_peers measured.

  draw.py RESULT.json FOLDER

Writes FOLDER/peers-memory.svg and FOLDER/peers-durable.svg: payments per second with the spread of
the repeats, and from the median latency to that of one call in a thousand. Scales are logarithmic.
"""
import html
import json
import math
import sys

CASES = (("pay_all_1", "all accounts, 1 client", "#36c"), ("pay_all_2", "all accounts, 2 clients", "#8ad"),
         ("pay_hot_1", "16 accounts, 1 client", "#c63"), ("pay_hot_2", "16 accounts, 2 clients", "#eb8"))
LEFT, RATE, GAP, TIME, BAR, TOP = 230, 420, 60, 300, 9, 70


class Scale:
    """A logarithmic axis over whole decades."""

    def __init__(self, values, left, width):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(self.low + 1, math.ceil(math.log10(max(values))))
        self.left, self.width = left, width

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.left + max(0.0, share) * self.width

    def decades(self):
        return [(10.0 ** power, self.at(10.0 ** power)) for power in range(self.low, self.high + 1)]


def short(value, units):
    for size, unit in units:
        if value >= size:
            return f"{value / size:g} {unit}".strip()
    return f"{value:g}"


def short_rate(value):
    return short(value, ((1e6, "M"), (1e3, "k")))


def short_time(ns):
    return short(ns, ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")))


def axis(parts, scale, bottom, text_of):
    for value, x in scale.decades():
        parts.append(f'<path d="M{x:.1f} {TOP - 8}V{bottom}" stroke="#ddd"/>'
                     f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{text_of(value)}</text>')


def draw_case(parts, row, colour, y, rates, times):
    x = rates.at(row["per_s"])
    parts.append(f'<rect x="{LEFT}" y="{y}" width="{x - LEFT:.1f}" height="{BAR - 2}" fill="{colour}"/>')
    low, high = rates.at(max(1e-3, min(row["rates"]))), rates.at(max(row["rates"]))
    middle = y + (BAR - 2) / 2
    parts.append(f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#000"/>')
    if "p50_ns" not in row:
        return
    last = row["p999_ns"] or row["p99_ns"] or row["p50_ns"]
    start, end = times.at(row["p50_ns"]), times.at(last)
    parts.append(f'<path d="M{start:.1f} {middle}H{end:.1f}" stroke="{colour}" stroke-width="3"/>'
                 f'<circle cx="{start:.1f}" cy="{middle}" r="3" fill="{colour}"/>')


def picture(title, rows):
    designs = list(dict.fromkeys(row["design"] for row in rows))
    by_key = {(row["design"], row["case"]): row for row in rows}
    designs.sort(key=lambda name: -by_key.get((name, "pay_all_1"), {"per_s": 0})["per_s"])
    rates = Scale([max(1e-3, value) for row in rows for value in row["rates"]], LEFT, RATE)
    times = Scale([row[key] for row in rows for key in ("p50_ns", "p99_ns", "p999_ns") if row.get(key)],
                  LEFT + RATE + GAP, TIME)
    height_each = len(CASES) * BAR + 10
    bottom = TOP + len(designs) * height_each
    width, height = LEFT + RATE + GAP + TIME + 40, bottom + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
             f'<text x="10" y="18" font-size="14">{html.escape(title)}</text>'
             f'<text x="{LEFT}" y="54">payments per second, median; line: least to most of the repeats</text>'
             f'<text x="{LEFT + RATE + GAP}" y="54">a payment takes: p50 to p99.9</text>']
    for i, (_, text, colour) in enumerate(CASES):
        parts.append(f'<rect x="{LEFT + i * 160}" y="28" width="10" height="10" fill="{colour}"/>'
                     f'<text x="{LEFT + i * 160 + 14}" y="37">{text}</text>')
    axis(parts, rates, bottom, short_rate)
    axis(parts, times, bottom, short_time)
    for i, name in enumerate(designs):
        y = TOP + i * height_each
        weight = ' font-weight="bold"' if name.startswith("casbook") else ""
        parts.append(f'<text x="{LEFT - 8}" y="{y + 22}" text-anchor="end"{weight}>{html.escape(name)}</text>')
        for k, (key, _, colour) in enumerate(CASES):
            if (name, key) in by_key:
                draw_case(parts, by_key[name, key], colour, y + k * BAR, rates, times)
    return "".join(parts) + "</svg>\n"


def main(result, folder):
    with open(result, encoding="utf-8") as file:
        measured = json.load(file)
    about = f'{measured["commit"][:12]}, {measured["machine"]}, {measured["date"][:10]}'
    for is_durable, name, title in ((False, "memory", "In memory"), (True, "durable", "Durable when answered")):
        rows = [row for row in measured["rows"] if row.get("durable") == is_durable
                and row["case"].startswith("pay_") and row.get("per_s", 0) > 0]
        if not rows:
            continue
        with open(f"{folder}/peers-{name}.svg", "w", encoding="utf-8") as file:
            file.write(picture(f"{title} ({about})", rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
