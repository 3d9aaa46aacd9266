"""Counts distinct cache lines between the marks of perf_driver in a trace by lackey.

  count_lines.py SCENARIO PLACES <TRACE     PLACES: what the driver printed, see window.h

A batch is counted as one and divided by what it holds.
"""
import statistics
import sys

SHIFT = 6
TOGETHER = {"batch-16": 64}


def read_places(path):
    marker, books = None, []
    with open(path, encoding="utf-8") as lines:
        for words in map(str.split, lines):
            if words[0] == "marker":
                marker = int(words[1], 16)
            elif words[0] == "book":
                books.append((int(words[1], 16) >> SHIFT, int(words[2], 16) >> SHIFT))
    return marker, books


def read_operations(lines, path):
    """Of each marked operation: its lines by kind of access. Most of the trace is what comes before."""
    marker, needle, touched = None, None, None
    for number, line in enumerate(lines):
        if touched is None:
            if needle is None and number % 1024 == 0:
                marker, _ = read_places(path)
                needle = marker and f"{marker:x},"
            if needle is None or needle not in line:
                continue
        kind, address = line[:3].strip(), line[3:].split(",")[0]
        if kind not in ("I", "L", "S", "M"):
            continue
        at = int(address, 16)
        if at == marker and kind in ("S", "M"):
            if touched:
                yield touched
            touched = {"I": set(), "L": set(), "S": set()}
        elif touched is not None:
            for name in ("L", "S") if kind == "M" else (kind,):
                touched[name].add(at >> SHIFT)


def main(scenario, path):
    counts = []
    books = None
    for touched in read_operations(sys.stdin, path):
        books = books or read_places(path)[1]
        in_book = lambda line: any(first <= line < end for first, end in books)
        written = {line for line in touched["S"] if in_book(line)}
        read = {line for line in touched["L"] if in_book(line)} - written
        own = {line for line in touched["L"] | touched["S"] if not in_book(line)}
        counts.append([len(read), len(written), len(own), len(touched["I"])])
    if not counts:
        sys.exit(f"count_lines.py: {scenario}: no marks in the trace")
    share = TOGETHER.get(scenario, 1)
    row = [statistics.median(column) / share for column in zip(*counts)]
    print(f"{scenario:<12} " + " ".join(f"{value:14.{1 if share > 1 else 0}f}" for value in row))


main(*sys.argv[1:])
