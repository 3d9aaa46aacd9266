"""Sets in order what legs.bt counted: medians over all payments, us behind the commit.

  legs.py DRIVER_OUTPUT <COUNTS      DRIVER_OUTPUT names the processes
"""
import re
import sys

EVENTS = {1: "answered", 2: "sleeps", 3: "wakes", 4: "sync begun", 5: "sync done", 6: "sends",
          7: "receives", 8: "write begun", 9: "flush begun", 10: "write done", 11: "flush done"}
KEY = re.compile(r"@us\[(\d+), (\d+)\]:")
BUCKET = re.compile(r"(?:\[(\d+), (\d+)\)|\(\.\.\., 0\)|\[(\d+), \.\.\.\))\s+(\d+)\s+\|")


def read_names(path):
    with open(path, encoding="utf-8") as lines:
        found = [line.split(None, 2) for line in lines if line.startswith("process ")]
    names = {pid: name.strip() for _, pid, name in found}
    followers = [pid for pid, name in names.items() if name.startswith("a follower")]
    for number, pid in enumerate(followers, 1):
        names[pid] = f"follower {number}'s daemon"
    names["0"] = "disk"
    return names


def read_counts(lines):
    payments, buckets, of = 0, {}, None
    for line in lines:
        if found := re.match(r"@payment: (\d+)", line):
            payments = int(found[1])
        elif found := KEY.match(line):
            of = buckets.setdefault((int(found[1]), found[2]), [])
        elif (found := BUCKET.match(line)) and of is not None:
            first, behind, last, count = found.groups()
            middle = (int(first) + int(behind)) / 2 if first else int(last or 0)
            of.append((middle, int(count)))
    return payments, buckets


def quantile(buckets, share):
    left = share * sum(count for _, count in buckets)
    for middle, count in buckets:
        left -= count
        if left <= 0:
            return middle
    return buckets[-1][0]


def main(path):
    names = read_names(path)
    payments, buckets = read_counts(sys.stdin)
    if payments == 0:
        sys.exit("legs.py: no payment was answered")
    rows = []
    for (event, pid), counts in buckets.items():
        total = sum(count for _, count in counts)
        if total >= payments / 2:  # else not of the path
            rows.append((quantile(counts, 0.5), quantile(counts, 0.1), quantile(counts, 0.9),
                         total / payments, f"{names.get(pid, pid)}: {EVENTS[event]}"))
    print(f"{payments} payments; us behind the commit, to 4 us\n")
    print(f"{'median':>7} {'p10':>7} {'p90':>7} {'in':>5}")
    for middle, low, high, share, what in sorted(rows):
        print(f"{middle:7.0f} {low:7.0f} {high:7.0f} {share:5.0%}  {what}")


main(sys.argv[1])
