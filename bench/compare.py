#!/usr/bin/env python3
"""Puts results together, and says what moved between two of them.

  compare.py merge OUT.json COMMIT PART.json...     parts: of bench_peers and bench_steady
  compare.py commit RESULT.json                     which it was taken of
  compare.py turns FOLDER                           FOLDER: before-I.json and now-I.json of bench_steady,
                                                    two builds in turn
  compare.py disk OLD.json NEW.json
  compare.py self-test

turns and disk: exit status 1 where a row of casbook moved.

In memory two builds are held against each other in turns: what one machine takes for the same
instructions differs by a third from one minute to the next, and nothing else moves by as much as
casbook does. A sample is a turn, the distance of one build's medians to the other's. A row has moved
when the median turn is beyond the noise and a floor of percent, and nearly all turns agree which way.

On disk a sample is a repeat of a kept result, and all other designs that are durable are the
references that tell how much slower the disk was: each sample is put on one scale by them. A row has
moved when all samples of one side are above all of the other as well.

Noise: so many standard errors of a median, by the distances of the samples to their median (1.4826
times the median of them, as a standard deviation).
"""
import glob
import json
import math
import os
import random
import statistics
import sys

TIMES_NOISE = 4.0            # how many standard errors count
PERCENT_MEMORY = 4.0         # and at least so much
PERCENT_DISK = 15.0
SAMPLES_MIN = 3
REFERENCES_MIN = 3
TURNS_AGREE = 0.8            # of all


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def noise_of(*sides):
    """Of the median of one side, or of the distance between those of two; each a list of logarithms."""
    distances = [abs(value - statistics.median(side)) for side in sides for value in side]
    spread = 1.4826 * statistics.median(distances)
    return TIMES_NOISE * 1.2533 * spread * math.sqrt(sum(1 / len(side) for side in sides))


def moved_line(key, ns, change, noise):
    return (f"{key}: {ns:.4g} ns, now {ns * math.exp(change):.4g} ns "
            f"({100 * math.expm1(change):+.1f} %; noise {100 * math.expm1(noise):.1f} %)")


# --- in memory -----------------------------------------------------------------------------------

def medians_of(part):
    """ns of processor time by row of a result of Google Benchmark: the median of its repetitions."""
    runs = {}
    for run in part["benchmarks"]:
        if run["run_type"] == "iteration":
            if run.get("error_occurred"):
                sys.exit(f"compare.py: {run['name']}: {run['error_message']}")
            runs.setdefault(run["name"].split("/iterations:")[0], []).append(run["cpu_time"])
    return {name: statistics.median(times) for name, times in runs.items()}


def moved_in_turns(turns):
    """Lines about rows that moved; turns: of two mappings of rows to ns, before and now."""
    moved = []
    for key in sorted(set.intersection(*(set(side) for turn in turns for side in turn))):
        distances = [math.log(now[key] / before[key]) for before, now in turns]
        change = statistics.median(distances)
        noise = noise_of(distances)
        agree = sum(distance * change > 0 for distance in distances) / len(distances)
        if abs(change) > max(noise, math.log1p(PERCENT_MEMORY / 100)) and agree >= TURNS_AGREE:
            ns = statistics.median(before[key] for before, _ in turns)
            moved.append(moved_line(key, ns, change, noise))
    return moved


def compare_turns(folder):
    count = len(glob.glob(os.path.join(folder, "now-*.json")))
    turns = [tuple(medians_of(read(os.path.join(folder, f"{side}-{i}.json")))
                   for side in ("before", "now")) for i in range(1, count + 1)]
    if len(turns) < SAMPLES_MIN:
        sys.exit(f"compare.py: {folder}: {len(turns)} turns, at least {SAMPLES_MIN} are needed")
    return report(f"in memory, {len(turns)} turns", moved_in_turns(turns))


# --- on disk -------------------------------------------------------------------------------------

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
        if are_apart and abs(change) > max(noise, math.log1p(PERCENT_DISK / 100)):
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


# --- results -------------------------------------------------------------------------------------

def merge(out, commit, parts):
    result = {"rows": [], "skipped": []}
    for part in map(read, parts):
        if "benchmarks" in part:
            about = part["context"]
            result.setdefault("steady", []).append(medians_of(part))
            result = {**{key: about[key] for key in ("machine", "kernel", "date")}, **result}
        else:
            for key in ("rows", "skipped"):
                result[key] += part.pop(key)
            result = {**part, **result}
    if "steady" in result:
        result["steady"] = {key: statistics.median(one[key] for one in result["steady"])
                            for key in result["steady"][0]}
    result["commit"] = commit
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


def self_test():
    """Silent on the same code, though the machine is slower now and then; loud on 50 ns of 520."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)

    def turn(extra_ns):
        slower = chance.choice((1, 1, 1.3))
        def side(extra):
            return {f"pay/{i}": (520 + 20 * i + extra * (i == 0)) * slower * chance.gauss(1, 0.02)
                    for i in range(15)}
        return side(0), side(extra_ns)

    def samples(extra):
        def sample():
            slower = chance.gauss(1, 0.1)
            return {**{f"peer {i}": ("durable", 600e3 * slower * chance.gauss(1, 0.05)) for i in range(5)},
                    "casbook": ("casbook", (500e3 + extra) * slower * chance.gauss(1, 0.05))}
        return [sample() for _ in range(5)]

    runs = 300
    false_alarms = sum(bool(moved_in_turns([turn(0) for _ in range(12)])) for _ in range(runs))
    found = {extra: sum(any(line.startswith("pay/0:") for line in moved_in_turns([turn(extra) for _ in range(12)]))
                        for _ in range(runs)) for extra in (50, -50)}
    disk_alarms = sum(bool(moved_on_disk(samples(0), samples(0))[0]) for _ in range(runs))
    disk_found = sum(bool(moved_on_disk(samples(0), samples(300e3))[0]) for _ in range(runs))
    print(f"seed {seed}: of {runs} each, in memory {false_alarms} false alarms, {found[50]} slower and "
          f"{found[-50]} faster found; on disk {disk_alarms} false alarms, {disk_found} slower found")
    return 0 if (max(false_alarms, disk_alarms) <= runs / 50
                 and min(*found.values(), disk_found) >= runs * 0.9) else 1


COMMANDS = {"merge": (3, None, lambda out, commit, *parts: merge(out, commit, parts)),
            "commit": (1, 1, lambda path: print(read(path)["commit"])),
            "turns": (1, 1, compare_turns),
            "disk": (2, 2, compare_disks),
            "self-test": (0, 0, self_test)}


def main(name="", *arguments):
    least, most, command = COMMANDS.get(name, (0, -1, None))
    if len(arguments) < least or (most is not None and len(arguments) > most):
        sys.exit(__doc__)
    return command(*arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
