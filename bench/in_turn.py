#!/usr/bin/env python3
"""Runs bench_steady, and where there are two builds of it says what moved between them.

  in_turn.py OUT.json NOW [--before PROGRAM] [--processes N] [--handicap-ns N]
  in_turn.py self-test

OUT.json gets the median of each row of NOW. Exit status 1 where a row moved.

What one machine takes for the same instructions differs by a third from one second to the next,
presumably as others use the other half of its cores, and nothing else moves by as much as casbook does. So the two
builds take their turns within a tenth of a second, row by row. A sample is a pair of processes: the
median distance of their turns, since what a process has of memory and of code stays where it is. A row
has moved when the median sample is beyond the noise and a floor of percent, and nearly all agree which
way.
"""
import argparse
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

from compare import moved_line, noise_of, report

PERCENT_LEAST = 5.0
SAMPLES_AGREE = 0.8   # of all
SAMPLES_MIN = 8
TURNS_OF_A_PROCESS = 5


def moved_rows(turns):
    """Lines about rows that moved; turns by row: a list for each pair of processes, of pairs of ns,
    before and now."""
    moved = []
    for row, samples in turns.items():
        distances = [statistics.median(math.log(now / before) for before, now in pairs) for pairs in samples]
        change, noise = statistics.median(distances), noise_of(distances)
        agree = sum(distance * change > 0 for distance in distances) / len(distances)
        if abs(change) > max(noise, math.log1p(PERCENT_LEAST / 100)) and agree >= SAMPLES_AGREE:
            ns = statistics.median(before for pairs in samples for before, _ in pairs)
            moved.append(moved_line(row, ns, change, noise))
    return moved


def asked(program, option):
    return subprocess.run([program, option], stdout=subprocess.PIPE, text=True, check=True).stdout


class Side:
    """A bench_steady that takes samples when it is asked for them. It runs from a copy: a file's pages
    stay where they are for all processes, and where the code lies decides by some percent too."""

    def __init__(self, program, options=()):
        self.folder = tempfile.TemporaryDirectory(prefix="casbook-in-turn-")
        copy = shutil.copy(program, self.folder.name)
        self.process = subprocess.Popen([copy, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def sample(self, row):
        self.process.stdin.write(row + "\n")
        if not (answer := self.process.stdout.readline()):
            sys.exit(f"in_turn.py: {self.process.args[0]} gave no answer to {row}")
        return float(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def take_turns(now, before, processes, handicap):
    """By row and process, the ns of each turn: before (where there is one) and now."""
    programs = [(now, handicap)] if before is None else [(before, ()), (now, handicap)]
    rows = [row for row in asked(now, "--rows").split()
            if before is None or row in asked(before, "--rows").split()]
    if not rows:
        sys.exit(f"in_turn.py: {before} and {now} have no row in common")
    turns = {row: [] for row in rows}
    for process in range(processes):
        print(f"in_turn.py: process {process + 1} of {processes}", file=sys.stderr)
        sides = [Side(*program) for program in programs]
        took = {row: [] for row in rows}
        for turn in range(TURNS_OF_A_PROCESS):
            for row in rows:
                ordered = sides if (process + turn) % 2 else sides[::-1]
                ns = {side: side.sample(row) for side in ordered}
                took[row].append(tuple(ns[side] for side in sides))
        for row in rows:
            turns[row].append(took[row])
        for side in sides:
            side.end()
    return turns


def measure(arguments):
    options = argparse.ArgumentParser()
    options.add_argument("out")
    options.add_argument("now")
    options.add_argument("--before")
    options.add_argument("--processes", type=int, default=SAMPLES_MIN)
    options.add_argument("--handicap-ns", type=int, default=0)
    chosen = options.parse_args(arguments)
    least = SAMPLES_MIN if chosen.before else 1
    if chosen.processes < least:
        options.error(f"--processes: {chosen.processes}, at least {least} are needed")
    handicap = ("--handicap-ns", str(chosen.handicap_ns)) if chosen.handicap_ns else ()
    # Both on one core: what others take of it is the same for both.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    turns = take_turns(chosen.now, chosen.before, chosen.processes, handicap)
    result = json.loads(asked(chosen.now, "--about"))
    result["steady"] = {row: statistics.median(ns[-1] for took in all_took for ns in took)
                        for row, all_took in turns.items()}
    with open(chosen.out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    return report(f"in memory, {chosen.processes} pairs of processes", moved_rows(turns)) if chosen.before else 0


def self_test():
    """Silent on the same code, though the machine goes slower and quicker; loud on 40 ns of 400."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)

    def found(extra_ns):
        def turn(layout):
            slower = [chance.choice((1, 1.33))] * 2
            if chance.random() < 0.1:  # it changes in between
                slower[chance.randrange(2)] = 1
            return tuple((400 + extra) * factor * own * chance.gauss(1, 0.05)
                         for extra, factor, own in zip((0, extra_ns), slower, layout))
        def process():
            layout = [chance.gauss(1, 0.02), chance.gauss(1, 0.02)]
            return [turn(layout) for _ in range(TURNS_OF_A_PROCESS)]
        return bool(moved_rows({"pay": [process() for _ in range(20)]}))

    runs = 500
    false, slower, faster = (sum(found(extra) for _ in range(runs)) for extra in (0, 40, -40))
    print(f"seed {seed}: of {runs} each, {false} false alarms, {slower} slower found, {faster} faster found")
    return 0 if false <= runs / 100 and min(slower, faster) >= runs * 0.95 else 1


if __name__ == "__main__":
    sys.exit(self_test() if sys.argv[1:] == ["self-test"] else measure(sys.argv[1:]))
