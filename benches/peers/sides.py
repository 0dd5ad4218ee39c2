"""Sides of a comparison as processes of their own, so that their memory is their own, doing the same work
in turn (A B C A B C ...): what drives them, and what a side in Python answers with."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np


class Side:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} failed at {command!r}")
        return answer

    def times(self):
        return [float(word) for word in self.ask("time").split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(folder, sides, rounds):
    """By side: the least seconds on the clock and of the processors, the result, and peak MiB."""
    taken = {side.name: [] for side in sides}
    for round_number in range(rounds + 1):
        for side in sides:
            seconds = side.times()
            if round_number > 0:
                taken[side.name].append(seconds)
    outcome = {}
    for side in sides:
        memory = float(side.ask("memory"))
        side.ask(f"keep {folder / 'result.raw'}")
        result = np.fromfile(folder / "result.raw", "<f4")
        outcome[side.name] = (*np.min(taken[side.name], axis=0), result, memory)
        side.close()
    return outcome


def frobenius(ours, theirs):
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def peak_mib():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024


def serve(work):
    """Answers on stdout to lines on stdin: `time` does the work once and prints seconds on the clock and of
    the processors; `keep FILE` writes the result as raw f32; `memory` prints the greatest memory so far in
    MiB."""
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "time":
            start, processor = time.perf_counter(), time.process_time()
            work()
            print(time.perf_counter() - start, time.process_time() - processor)
        elif command == "keep":
            np.asarray(work(), "<f4").tofile(arguments[0])
            print("kept")
        elif command == "memory":
            print(peak_mib())
        sys.stdout.flush()
