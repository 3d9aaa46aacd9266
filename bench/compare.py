#!/usr/bin/env python3
"""Puts results together, and says what moved between two of them.

  compare.py merge OUT.json COMMIT PART.json...   parts: of bench_peers, of Google Benchmark
  compare.py compare OLD.json NEW.json            exit status 1 where something moved
  compare.py self-test

A row is moved when its median differs by more than the noise of both sides and by more than a floor
of percent. The noise of a side is the distance of its repeats from their median (1.4826 times the
median of it, as a standard deviation), over the square root of their number.

The machine drifts between runs, so rows of casbook are first divided by how much the references did:
the rows of the other designs that no server and no disk is in, or, for durable rows, all of the
others. A change of casbook cannot move those.
"""
import json
import math
import random
import statistics
import sys

TIMES_NOISE = 4.0            # how many standard errors count
PERCENT_MEMORY = 4.0         # and at least so much
PERCENT_DURABLE = 15.0
WITHOUT_SERVER = ("floor", "in process", "shared memory")


def times_of(row):
    """Nanoseconds per operation, by repeat: of the quicker runs where a row has them."""
    return row.get("quick_ns") or [1e9 / rate for rate in row["rates"] if rate > 0]


def error_of(values):
    middle = statistics.median(values)
    distance = statistics.median(abs(value - middle) for value in values)
    return 1.4826 * distance / math.sqrt(len(values)) * 1.2533  # of a median


def rows_of(result):
    return {(row["design"], row["case"]): row for row in result["rows"] if row.get("rates")}


def is_reference(row):
    if row["group"] == "casbook":
        return False
    return row["durable"] or row["group"] in WITHOUT_SERVER


def drift(old, new, is_durable):
    ratios = [statistics.median(times_of(new[key])) / statistics.median(times_of(old[key]))
              for key in old.keys() & new.keys()
              if is_reference(old[key]) and old[key]["durable"] == is_durable]
    return statistics.median(ratios) if len(ratios) >= 3 else 1.0


def compare(old_result, new_result):
    """Lines about what moved, and how much the machine did."""
    old, new = rows_of(old_result), rows_of(new_result)
    by_durability = {is_durable: drift(old, new, is_durable) for is_durable in (False, True)}
    moved = []
    for key in sorted(old.keys() & new.keys()):
        if old[key]["group"] != "casbook" or key[1] == "floor":
            continue
        is_durable = old[key]["durable"]
        before = times_of(old[key])
        after = [value / by_durability[is_durable] for value in times_of(new[key])]
        if len(before) < 3 or len(after) < 3:
            continue
        was, now = statistics.median(before), statistics.median(after)
        noise = TIMES_NOISE * math.hypot(error_of(before), error_of(after))
        least = was * (PERCENT_DURABLE if is_durable else PERCENT_MEMORY) / 100
        if abs(now - was) > max(noise, least):
            moved.append(f"{key[0]} {key[1]}: {was:.0f} ns, now {now:.0f} ns "
                         f"({100 * (now - was) / was:+.1f} %; noise {100 * noise / was:.1f} %)")
    return moved, by_durability


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


def merge(out, commit, parts):
    result = {}
    for path in parts:
        with open(path, encoding="utf-8") as file:
            part = json.load(file)
        if "benchmarks" in part:
            result.setdefault("rows", []).extend(from_google(part))
            continue
        for key in ("rows", "skipped"):
            result.setdefault(key, []).extend(part.pop(key))
        result = {**part, **result}
    result["commit"] = commit
    with open(out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")


def compare_files(old_path, new_path):
    results = []
    for path in (old_path, new_path):
        with open(path, encoding="utf-8") as file:
            results.append(json.load(file))
    old, new = results
    if old.get("machine") != new.get("machine"):
        print(f"not the same machine: {old.get('machine')}, now {new.get('machine')}")
    moved, by_durability = compare(old, new)
    print(f"{old['commit'][:12]} of {old['date']}, now {new['commit'][:12]}: the machine took "
          f"{by_durability[False]:.3f} times as long in memory, {by_durability[True]:.3f} on disk")
    print("\n".join(moved) if moved else "nothing moved beyond the noise")
    return 1 if moved else 0


def self_test():
    """Silent on the same distribution, though the machine is slower; loud on 50 ns of 650."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)

    def made(extra_ns, machine):
        def row(design, group, ns):
            return {"design": design, "case": "pay_all_1", "group": group, "durable": False,
                    "rates": [1e9 / (ns * machine * chance.gauss(1, 0.02)) for _ in range(9)]}
        return {"commit": "", "date": "", "machine": "", "rows": [
            row("striped-map", "in process", 280), row("tbb-map", "in process", 130),
            row("robust-mutex", "shared memory", 300), row("robust-mutex-intent", "shared memory", 310),
            row("casbook-plain", "casbook", 650 + extra_ns)]}

    runs = 400
    false_alarms = sum(bool(compare(made(0, 1.0), made(0, 1.3))[0]) for _ in range(runs))
    found = sum(bool(compare(made(0, 1.0), made(50, 1.3))[0]) for _ in range(runs))
    found_faster = sum(bool(compare(made(50, 1.0), made(0, 0.8))[0]) for _ in range(runs))
    print(f"seed {seed}: of {runs} each, {false_alarms} false alarms, {found} slower found, "
          f"{found_faster} faster found")
    return 0 if false_alarms <= runs / 50 and min(found, found_faster) >= runs * 0.85 else 1


def main(arguments):
    if arguments[:1] == ["merge"] and len(arguments) > 3:
        return merge(arguments[1], arguments[2], arguments[3:])
    if arguments[:1] == ["compare"] and len(arguments) == 3:
        return compare_files(*arguments[1:])
    if arguments == ["self-test"]:
        return self_test()
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
