#!/usr/bin/env python3
"""Draws what bench_growth measured: a small picture for each curve, in one file.

  draw.py RESULT.json... FILE.svg

Curves of a later result take the place of those of the same name in the ones before.

Sizes are on a logarithmic scale (with 0 before 1), times from zero, or logarithmic where they span more
than a factor of 300. Dots are medians, bars go from the least of the repeats to the most.
"""
import html
import json
import math
import sys

COLOURS = ("#36c", "#c33", "#393", "#c80", "#93c", "#088")
WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, LINE, COLUMNS = 560, 400, 60, 15, 40, 14, 2


def short(value, units):
    for size, unit in units:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def short_size(value):
    if value >= 1024 and value % 1024 == 0:
        return short(value, ((1 << 20, " Mi"), (1 << 10, " Ki")))
    return short(value, ((1e6, " M"), (1e4, " k")))


def short_time(ns):
    return short(ns, ((1e9, " s"), (1e6, " ms"), (1e3, " us"), (1, " ns")))


class Sizes:
    """Where a size stands: by its logarithm, 0 half a doubling before 1."""

    def __init__(self, sizes, left, right):
        self.low, self.high = self.logarithm(min(sizes)), self.logarithm(max(sizes))
        self.left, self.right = left, right

    @staticmethod
    def logarithm(size):
        return math.log2(size) if size > 0 else -1.0

    def at(self, size):
        share = (self.logarithm(size) - self.low) / max(1e-9, self.high - self.low)
        return self.left + share * (self.right - self.left)


class Times:
    def __init__(self, times, top, bottom):
        self.top, self.bottom = top, bottom
        self.is_logarithmic = max(times) > 300 * min(times)
        if self.is_logarithmic:
            self.low, self.high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
            self.marks = [10.0 ** power for power in range(self.low, self.high + 1)]
        else:
            step = 10.0 ** math.floor(math.log10(max(times)))
            step = next(part for part in (step / 5, step / 2, step, step * 2) if max(times) / part <= 8)
            self.low, self.high = 0, math.ceil(max(times) / step) * step
            self.marks = [step * i for i in range(int(round(self.high / step)) + 1)]

    def at(self, time):
        value = math.log10(time) if self.is_logarithmic else time
        share = (value - self.low) / max(1e-9, self.high - self.low)
        return self.bottom - share * (self.bottom - self.top)


def measured(series):
    return [point for point in series["points"] if point.get("ns") and not point.get("failed")]


def draw_series(series, colour, sizes, times):
    points = measured(series)
    line = " ".join(f'{sizes.at(p["x"]):.1f},{times.at(p["median"]):.1f}' for p in points)
    parts = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for point in points:
        x = sizes.at(point["x"])
        low, high = times.at(min(point["ns"])), times.at(max(point["ns"]))
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}"/>'
                     f'<circle cx="{x:.1f}" cy="{times.at(point["median"]):.1f}" r="2.5" fill="{colour}"/>')
    return parts


def draw_axes(curve, sizes, times, all_sizes):
    parts = []
    for mark in times.marks:
        y = times.at(mark)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{short_time(mark)}</text>')
    last = -math.inf
    for size in all_sizes:
        x = sizes.at(size)
        if x - last < 34:
            continue
        last = x
        parts.append(f'<text x="{x:.1f}" y="{times.bottom + 15}" text-anchor="middle">{short_size(size)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{times.bottom + 31}" text-anchor="middle">'
                 f'{html.escape(curve["x"])}; {html.escape(curve["y"])}</text>')
    return parts


def panel(curve):
    drawn = [series for series in curve["series"] if measured(series)]
    points = [point for series in drawn for point in measured(series)]
    if not points:
        return ""
    all_sizes = sorted({point["x"] for point in points})
    top = 30 + LINE * len(drawn)
    sizes = Sizes(all_sizes, LEFT + 10, WIDTH - RIGHT - 10)
    times = Times([time for point in points for time in point["ns"]], top, HEIGHT - BOTTOM)
    parts = [f'<text x="{LEFT}" y="15" font-size="13" font-weight="bold">{html.escape(curve["title"])}</text>']
    parts += draw_axes(curve, sizes, times, all_sizes)
    for i, series in enumerate(drawn):
        colour, y = COLOURS[i % len(COLOURS)], 30 + LINE * i
        parts.append(f'<path d="M{LEFT} {y - 4}h18" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{LEFT + 24}" y="{y}">{html.escape(series["name"])}</text>')
        parts += draw_series(series, colour, sizes, times)
    return "".join(parts)


def picture(results):
    newest = {curve["name"]: (curve, result) for result in results for curve in result["curves"]}
    panels = []
    for curve, result in newest.values():
        if len(results) > 1:
            curve = {**curve, "title": f'{curve["title"]} ({result["commit"][:12]})'}
        panels.append(panel(curve))
    panels = [drawn for drawn in panels if drawn]
    rows = -(-len(panels) // COLUMNS)
    first = results[0]
    about = ", ".join(text for text in (first["commit"][:12], first["machine"], first["date"][:10]) if text)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}" height="{rows * HEIGHT + 30}" '
             'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
             f'<text x="{LEFT}" y="18">{html.escape(about)}</text>']
    for i, drawn in enumerate(panels):
        parts.append(f'<g transform="translate({i % COLUMNS * WIDTH},{i // COLUMNS * HEIGHT + 30})">{drawn}</g>')
    return "".join(parts) + "</svg>\n"


def main(*result_names, file_name):
    results = []
    for name in result_names:
        with open(name, encoding="utf-8") as file:
            results.append(json.load(file))
    with open(file_name, "w", encoding="utf-8") as file:
        file.write(picture(results))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:-1], file_name=sys.argv[-1])
