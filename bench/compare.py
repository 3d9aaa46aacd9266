#!/usr/bin/env python3
"""Puts results together, and says what moved between two of them.

  compare.py merge OUT.json COMMIT PART.json...     parts: of bench_peers
  compare.py launches OUT.json FOLDER...            adds a launch for each folder: parts of bench_peers
                                                    and of Google Benchmark
  compare.py compare OLD.json NEW.json              exit status 1 where something moved
  compare.py self-test

In memory a sample is a launch: a process that repeats itself has one layout of its memory, and its
repeats agree with each other better than with those of the next process. Each launch is first put on
the scale of all by its references, what no change of casbook can move, since the machine drifts. A row
has moved when all launches of one side are above all of the other, and the medians differ by more than
the noise and by more than a floor of percent. The noise is from the launches' distances to their
side's median (1.4826 times the median of it, as a standard deviation).

Rows of two clients are not compared in memory: how far apart the cores are that the machine has been
given decides on them, and no reference moves with it as they do.

On disk a sample is a repeat, and the references are all other designs that are durable.
"""
import json
import math
import os
import random
import statistics
import sys

TIMES_NOISE = 4.0            # how many standard errors count
PERCENT_MEMORY = 4.0         # and at least so much
PERCENT_DURABLE = 15.0
SAMPLES_MIN = 3
REFERENCES_MIN = 3
MEMORY_REFERENCES = ("floor", "in process", "shared memory")


def times_of(row):
    """Nanoseconds per operation, by repeat: of the quicker runs where a row has them."""
    return row.get("quick_ns") or [1e9 / rate for rate in row["rates"] if rate > 0]


def is_compared_in_memory(row):
    return not row["case"].endswith("_2")


def launch_of(rows):
    """The least of each row's repeats, by group; key: design and case."""
    return {f"{row['design']} {row['case']}": {"group": row["group"], "ns": min(times_of(row))}
            for row in rows
            if row.get("rates") and not row["durable"] and is_compared_in_memory(row)}


def on_one_scale(samples, is_reference):
    """Logarithms of times by row, each sample less the median distance of its references; and those.
    None: too few references."""
    keys = set.intersection(*(set(sample) for sample in samples))
    logs = [{key: math.log(sample[key]["ns"]) for key in keys} for sample in samples]
    references = [key for key in keys if is_reference(samples[0][key]["group"])]
    usual = {key: statistics.median(one[key] for one in logs) for key in references}
    if len(references) < REFERENCES_MIN:
        return None
    drifts = [statistics.median(one[key] - usual[key] for key in references) for one in logs]
    return [{key: one[key] - drift for key in keys} for one, drift in zip(logs, drifts)], drifts


def distances(values):
    middle = statistics.median(values)
    return [abs(value - middle) for value in values]


def moved_rows(old, new, is_reference, least_percent):
    """Lines about rows of casbook that moved, and how much slower the machine was; None: not compared."""
    if min(len(old), len(new)) < SAMPLES_MIN or not (both := on_one_scale(old + new, is_reference)):
        return [], None
    scaled, drifts = both
    least = math.log1p(least_percent / 100)
    moved = []
    for key in sorted(scaled[0]):
        if old[0][key]["group"] != "casbook" or key.endswith(" floor"):
            continue
        before = [sample[key] for sample in scaled[:len(old)]]
        after = [sample[key] for sample in scaled[len(old):]]
        change = statistics.median(after) - statistics.median(before)
        spread = 1.4826 * statistics.median(distances(before) + distances(after))
        noise = TIMES_NOISE * 1.2533 * spread * math.sqrt(1 / len(before) + 1 / len(after))
        are_apart = max(before) < min(after) or max(after) < min(before)
        if are_apart and abs(change) > max(noise, least):
            was = math.exp(statistics.median(before))
            moved.append(f"{key}: {was:.0f} ns, now {was * math.exp(change):.0f} ns "
                         f"({100 * math.expm1(change):+.1f} %; noise {100 * math.expm1(noise):.1f} %)")
    slower = math.exp(statistics.median(drifts[len(old):]) - statistics.median(drifts[:len(old)]))
    return moved, slower


def repeats_of(result):
    """Durable rows as samples, one for each repeat that all of them have."""
    rows = {f"{row['design']} {row['case']}": (row["group"], times_of(row))
            for row in result.get("rows", []) if row["durable"] and row.get("rates")}
    count = min((len(times) for _, times in rows.values()), default=0)
    return [{key: {"group": group, "ns": times[i]} for key, (group, times) in rows.items()}
            for i in range(count)]


def compare(old, new):
    """Lines about what moved, and how much slower the machine was in memory and on disk."""
    in_memory, memory = moved_rows(old.get("launches", []), new.get("launches", []),
                                   lambda group: group in MEMORY_REFERENCES, PERCENT_MEMORY)
    on_disk, disk = moved_rows(repeats_of(old), repeats_of(new),
                               lambda group: group != "casbook", PERCENT_DURABLE)
    return in_memory + on_disk, memory, disk


def from_google(part):
    """Rows of the casbook's own quick benchmarks; the time of each repetition."""
    runs = {}
    for run in part["benchmarks"]:
        if run["run_type"] == "iteration" and not run.get("error_occurred"):
            time = "real_time" if "manual_time" in run["name"] else "cpu_time"
            runs.setdefault(run["name"].split("/repeats:")[0], []).append(run[time])
    return [{"design": "micro", "case": name, "durable": False, "form": "safe",
             "group": "floor" if name.startswith("floor/") else "casbook",
             "rates": [1e9 / ns for ns in times], "per_s": 1e9 / statistics.median(times)}
            for name, times in runs.items()]


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write(path, result):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


def merge(out, commit, parts):
    result = {"rows": [], "skipped": []}
    for part in map(read, parts):
        for key in ("rows", "skipped"):
            result[key] += part.pop(key)
        result = {**part, **result}
    result["commit"] = commit
    write(out, result)


def rows_of(part):
    return from_google(part) if "benchmarks" in part else part["rows"]


def add_launches(out, folders):
    result = read(out)
    result["launches"] = [
        launch_of([row for name in sorted(os.listdir(folder))
                   for row in rows_of(read(os.path.join(folder, name)))])
        for folder in folders]
    write(out, result)


def compare_files(old_path, new_path):
    old, new = read(old_path), read(new_path)
    for key in ("machine", "kernel"):
        if old.get(key) != new.get(key):
            print(f"not the same {key}: {old.get(key)}, now {new.get(key)}")
    moved, memory, disk = compare(old, new)
    print(f"{old['commit'][:12]} of {old['date']}, now {new['commit'][:12]}")
    for place, slower in (("in memory", memory), ("on disk", disk)):
        print(f"{place} the machine took {slower:.3f} times as long" if slower
              else f"{place} nothing to compare")
    print("\n".join(moved) if moved else "nothing moved beyond the noise")
    return 1 if moved else 0


def self_test():
    """Silent on the same distribution, though the machine is slower; loud on 50 ns of 650."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    references = {"striped-map": 280, "tbb-map": 130, "robust-mutex": 300, "robust-mutex-intent": 310}

    def made(extra_ns, machine):
        def launch():
            slower = machine * chance.gauss(1, 0.1)
            def one(group, ns):
                return {"group": group, "ns": ns * slower * chance.gauss(1, 0.015)}
            return {**{name: one("shared memory", ns) for name, ns in references.items()},
                    **{f"casbook {i}": one("casbook", 650 + 20 * i) for i in range(20)},
                    "casbook-plain": one("casbook", 650 + extra_ns)}
        return {"launches": [launch() for _ in range(6)]}

    runs = 400
    false_alarms = sum(bool(compare(made(0, 1.0), made(0, 1.3))[0]) for _ in range(runs))

    def found(old, new):
        return any(line.startswith("casbook-plain") for line in compare(old, new)[0])

    slower = sum(found(made(0, 1.0), made(50, 1.3)) for _ in range(runs))
    faster = sum(found(made(50, 1.0), made(0, 0.8)) for _ in range(runs))
    print(f"seed {seed}: of {runs} each, {false_alarms} false alarms, {slower} slower found, "
          f"{faster} faster found")
    return 0 if false_alarms <= runs / 50 and min(slower, faster) >= runs * 0.8 else 1


def main(arguments):
    if arguments[:1] == ["merge"] and len(arguments) > 3:
        return merge(arguments[1], arguments[2], arguments[3:])
    if arguments[:1] == ["launches"] and len(arguments) > 2:
        return add_launches(arguments[1], arguments[2:])
    if arguments[:1] == ["compare"] and len(arguments) == 3:
        return compare_files(*arguments[1:])
    if arguments == ["self-test"]:
        return self_test()
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
