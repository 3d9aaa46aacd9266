#!/usr/bin/env python3
"""Puts results together, and says what moved on disk between two of them.

  compare.py merge OUT.json COMMIT PART.json...     parts: of bench_peers and in_turn.py
  compare.py commit RESULT.json                     which it was taken of
  compare.py disk OLD.json NEW.json                 exit status 1 where a row of casbook moved
  compare.py self-test

A sample is a repeat, and all other designs that are durable are the references that tell how much slower
the disk was: each sample is put on one scale by them. A row has moved when all samples of one side are
above all of the other, and the medians differ by more than the noise and a floor of percent. Noise: so
many standard errors of a median, by the distances of the samples to their median (1.4826 times the
median of them, as a standard deviation).
"""
import json
import math
import random
import statistics
import sys

TIMES_NOISE = 4.0            # how many standard errors count
PERCENT_LEAST = 15.0         # and at least so much
SAMPLES_MIN = 3
REFERENCES_MIN = 3


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"compare.py: {path}: {error}")


def noise_of(*sides):
    """Of the median of one side, or of the distance between those of two; each a list of logarithms."""
    distances = [abs(value - statistics.median(side)) for side in sides for value in side]
    spread = 1.4826 * statistics.median(distances)
    return TIMES_NOISE * 1.2533 * spread * math.sqrt(sum(1 / len(side) for side in sides))


def moved_line(key, ns, change, noise):
    return (f"{key}: {ns:.4g} ns, now {ns * math.exp(change):.4g} ns "
            f"({100 * math.expm1(change):+.1f} %; noise {100 * math.expm1(noise):.1f} %)")


def repeats_of(result):
    """Durable rows as samples, one for each repeat that all of them have."""
    rows = {f"{row['design']} {row['case']}":
            (row["group"], [1e9 / rate for rate in row["rates"] if rate > 0])
            for row in result.get("rows", []) if row["durable"] and row.get("rates")}
    count = min((len(times) for _, times in rows.values()), default=0)
    return [{key: (group, times[i]) for key, (group, times) in rows.items()} for i in range(count)]


def moved_on_disk(old, new):
    """Lines about rows of casbook that moved, and how much slower the disk was; None: not compared."""
    if min(len(old), len(new)) < SAMPLES_MIN:
        return [], None
    keys = set.intersection(*(set(sample) for sample in old + new))
    logs = [{key: math.log(sample[key][1]) for key in keys} for sample in old + new]
    references = [key for key in keys if old[0][key][0] != "casbook"]
    if len(references) < REFERENCES_MIN:
        return [], None
    usual = {key: statistics.median(one[key] for one in logs) for key in references}
    drifts = [statistics.median(one[key] - usual[key] for key in references) for one in logs]
    moved = []
    for key in sorted(keys - set(references)):
        if key.endswith(" floor"):
            continue
        scaled = [one[key] - drift for one, drift in zip(logs, drifts)]
        before, after = scaled[:len(old)], scaled[len(old):]
        change = statistics.median(after) - statistics.median(before)
        noise = noise_of(before, after)
        are_apart = max(before) < min(after) or max(after) < min(before)
        if are_apart and abs(change) > max(noise, math.log1p(PERCENT_LEAST / 100)):
            moved.append(moved_line(key, math.exp(statistics.median(before)), change, noise))
    return moved, math.exp(statistics.median(drifts[len(old):]) - statistics.median(drifts[:len(old)]))


def compare_disks(old_path, new_path):
    old, new = read(old_path), read(new_path)
    moved, slower = moved_on_disk(repeats_of(old), repeats_of(new))
    if slower is None:
        print("on disk: nothing to compare")
        return 0
    for key in ("machine", "kernel"):
        if old.get(key) != new.get(key):
            print(f"not the same {key}: {old.get(key)}, now {new.get(key)}")
    return report(f"on disk, which took {slower:.3f} times as long as {old['date']}", moved)


def report(what, moved):
    print(f"{what}: " + ("\n  ".join(["moved", *moved]) if moved else "nothing moved beyond the noise"))
    return 1 if moved else 0


def merge(out, commit, parts):
    result = {"rows": [], "skipped": []}
    for part in map(read, parts):
        for key in ("rows", "skipped"):
            result[key] += part.pop(key, [])
        result = {**part, **result}
    result["commit"] = commit
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


def self_test():
    """Silent on the same distribution, though the disk is slower; loud on half as much again."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)

    def found(extra):
        def sample(extra=0):
            slower = chance.gauss(1, 0.1)
            return {**{f"peer {i}": ("durable", 600e3 * slower * chance.gauss(1, 0.05)) for i in range(5)},
                    "casbook": ("casbook", (500e3 + extra) * slower * chance.gauss(1, 0.05))}
        return bool(moved_on_disk([sample() for _ in range(5)], [sample(extra) for _ in range(5)])[0])

    runs = 1000
    false, slower, faster = (sum(found(extra) for _ in range(runs)) for extra in (0, 250e3, -170e3))
    print(f"seed {seed}: of {runs} each, {false} false alarms, {slower} slower found, {faster} faster found")
    return 0 if false <= runs / 100 and min(slower, faster) >= runs * 0.9 else 1


COMMANDS = {"merge": (3, None, lambda out, commit, *parts: merge(out, commit, parts)),
            "commit": (1, 1, lambda path: print(read(path).get("commit", "(none)"))),
            "disk": (2, 2, compare_disks),
            "self-test": (0, 0, self_test)}


def main(name="", *arguments):
    least, most, command = COMMANDS.get(name, (0, -1, None))
    if len(arguments) < least or (most is not None and len(arguments) > most):
        sys.exit(__doc__)
    return command(*arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
