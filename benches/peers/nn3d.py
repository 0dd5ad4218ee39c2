"""Our 3-D layers beside PyTorch's and burn's; README.md says what the columns mean.

Started by run_nn3d.sh. Every job is done by all sides in turn (A B C A B C ...), once to warm up and
then `--rounds` times; the fastest round of each side counts, and of PyTorch's ways to do a job (its
memory formats, its implementations of Adam) the fastest. Each side's result is compared with ours,
so that "the same work" is checked and not claimed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ours", required=True, help="the built example peer_nn3d")
parser.add_argument("--burn", help="the built burn-peer; without it burn is left out")
parser.add_argument("--only", default="", help="only jobs whose name contains this")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()

# Before the libraries are loaded: some read these once.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_num_threads(options.threads)
torch.manual_seed(20261120)
# OpenMP's threads spin for a while after their work, on the cores that the next side needs.
PAUSE = 0.05
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}


class Process:
    """A Rust side, kept alive so that it is as warm as this one."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the other side failed at {command!r}")
        return answer.strip()

    def load(self, operation, dtype, path):
        """None, or why this side cannot do the job."""
        answer = self.ask(f"load {operation} {dtype} {path}")
        return None if answer == "loaded" else answer

    def time(self):
        before = self.processor_seconds()
        seconds = float(self.ask("time"))
        return seconds, self.processor_seconds() - before

    def processor_seconds(self):
        """Of all threads, those that have ended too: Linux's clock of another process."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def result(self, folder, shape):
        path = folder / "result.raw"
        self.ask(f"keep {path}")
        return torch.from_numpy(np.fromfile(path, "<f4")).reshape(shape)


def timed(work):
    def measure():
        start, processor_start = time.perf_counter(), time.process_time()
        result = work()
        seconds = time.perf_counter() - start, time.process_time() - processor_start
        del result
        return seconds

    return measure


def best_of_rounds(sides):
    """The least of each side's times, on the clock and of the processors, and the odd one out."""
    taken = {name: [] for name in sides}
    for round_number in range(options.rounds + 1):
        for name, measure in sides.items():
            time.sleep(PAUSE)
            seconds = measure()
            if round_number > 0:
                taken[name].append(seconds)
    return {name: np.min(seconds, axis=0) for name, seconds in taken.items()}


class Report:
    header = ("job", "peer", "peer / ours", "goal", "", "processors", "difference", "remarks")

    def __init__(self):
        self.rows = []

    def add(self, job, peer, ratios, goal, difference, remark=""):
        ratio, processor_ratio = ratios
        verdict = "" if goal is None else ("met" if ratio >= goal else "MISSED")
        row = (job, peer, f"{ratio:.2f}", "" if goal is None else f"{goal:.1f}", verdict,
               f"{processor_ratio:.2f}", f"{difference:.1e}", remark)
        print("  ".join(row), file=sys.stderr, flush=True)  # a sign of life; the table comes last
        self.rows.append(row)

    def show(self):
        table = [self.header] + self.rows
        widths = [max(len(row[i]) for row in table) for i in range(len(self.header))]
        for row in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def frobenius(ours, theirs):
    """The norm of the difference over the norm of the peer's result."""
    theirs = theirs.detach().to(torch.float64).contiguous()
    return float(torch.linalg.vector_norm(ours.to(torch.float64) - theirs) / torch.linalg.vector_norm(theirs))


class Comparison:
    def __init__(self, folder):
        self.folder = folder
        self.report = Report()
        self.ours = Process(options.ours)
        self.burn = Process(options.burn) if options.burn else None

    def job(self, name, operation, dtype, inputs, ways, goal=None, reference=None):
        """One row per peer. `ways` maps a name to what PyTorch does; `reference` gives the result
        to compare with where PyTorch's own is not it: in f32 from the same rounded inputs.
        """
        name = f"{name}, {dtype}"
        if options.only not in name:
            return
        path = self.folder / "job.safetensors"
        save_file({k: t.contiguous().to(torch.float32) for k, t in inputs.items()}, path)
        refusal = self.ours.load(operation, dtype, path)
        if refusal is not None:
            self.report.rows.append((name, "", "", "", "", "", "", f"ours: {refusal}"))
            return
        sides = {"ours": self.ours.time} | {way: timed(work) for way, work in ways.items()}
        burn = self.burn is not None and self.burn.load(operation, dtype, path) is None
        if burn:
            sides["burn-flex"] = self.burn.time
        taken = best_of_rounds(sides)

        want = (reference or next(iter(ways.values())))()
        ours = self.ours.result(self.folder, want.shape)
        best = min(ways, key=lambda way: taken[way][0])
        remark = f"fastest: {best}" if len(ways) > 1 else ""
        if dtype == "bf16":
            remark += f"; its own difference {frobenius(ways[best]().to(torch.float32), want):.1e}"
        self.report.add(name, "PyTorch", taken[best] / taken["ours"], goal, frobenius(ours, want),
                        remark.removeprefix("; "))
        if burn:
            theirs = self.burn.result(self.folder, want.shape)
            self.report.add(name, "burn-flex", taken["burn-flex"] / taken["ours"], None,
                            frobenius(ours, theirs))


def random(*shape, dtype):
    """Standard normal numbers that the dtype holds, as f32."""
    return torch.randn(*shape).to(DTYPES[dtype]).to(torch.float32)


def in_formats(tensors, dtype, work):
    """`work` on the tensors in each memory format, converted ahead."""
    def way(memory_format):
        placed = {k: t.to(DTYPES[dtype]) for k, t in tensors.items()}
        placed = {k: t.contiguous(memory_format=memory_format) if t.dim() == 5 else t for k, t in placed.items()}

        def run():
            with torch.no_grad():
                return work(**placed)

        return run

    return {name: way(memory_format) for name, memory_format in FORMATS.items()}


def in_f32(tensors, work):
    def run():
        with torch.no_grad():
            return work(**tensors)

    return run


CONVOLUTIONS = (
    (128, (42, 64, 42), {"f32": 3.0, "bf16": 1.5}),
    (64, (64, 64, 64), {"f32": 3.0, "bf16": 1.5}),
    (32, (64, 64, 64), {"f32": 2.5, "bf16": 1.0}),
    (256, (21, 32, 21), {"f32": 2.5, "bf16": 1.3}),
)


def convolutions(comparison):
    def forward(x, weight, bias):
        return F.conv3d(x, weight, bias, padding=1)

    def backward(which):
        mask = [which == 0, which == 1, False]

        def work(x, weight, upstream):
            ones = [1, 1, 1]
            return torch.ops.aten.convolution_backward(
                upstream, x, weight, None, ones, ones, ones, False, [0, 0, 0], 1, mask)[which]

        return work

    for channels, space, goals in CONVOLUTIONS:
        size = f"{channels}->{channels} at {space[0]}x{space[1]}x{space[2]}"
        for dtype in DTYPES:
            x = random(1, channels, *space, dtype=dtype)
            weight = random(channels, channels, 3, 3, 3, dtype=dtype) / 64  # a power of two
            bias = random(channels, dtype=dtype)
            inputs = {"x": x, "weight": weight, "bias": bias}
            comparison.job(f"conv3d {size}", "conv3d", dtype, inputs,
                           in_formats(inputs, dtype, forward), goals[dtype], in_f32(inputs, forward))
            inputs = {"x": x, "weight": weight, "upstream": random(*x.shape, dtype=dtype)}
            for which, gradient in enumerate(("input", "weight")):
                work = backward(which)
                comparison.job(f"conv3d {gradient} gradient {size}", f"conv3d-{gradient}-gradient", dtype,
                               inputs, in_formats(inputs, dtype, work), None, in_f32(inputs, work))


def elementwise(comparison):
    def norm(x, weight, bias):
        return F.silu(F.group_norm(x, 32, weight, bias, 1e-6))

    def upsample(mode):
        return lambda x: F.interpolate(x, scale_factor=2, mode=mode)

    for dtype in DTYPES:
        inputs = {"x": random(1, 128, 42, 64, 42, dtype=dtype), "weight": random(128, dtype=dtype),
                  "bias": random(128, dtype=dtype)}
        comparison.job("group_norm + silu 128 at 42x64x42", "group_norm_silu", dtype, inputs,
                       in_formats(inputs, dtype, norm), None, in_f32(inputs, norm))
        inputs = {"x": random(1, 128, 21, 32, 21, dtype=dtype)}
        for mode in ("nearest", "trilinear"):
            work = upsample(mode)
            comparison.job(f"upsample {mode} 128 to 42x64x42", f"upsample_{mode}", dtype, inputs,
                           in_formats(inputs, dtype, work), None, in_f32(inputs, work))


def attention(comparison):
    def attend(q, k, v):
        return F.scaled_dot_product_attention(*(t[:, None] for t in (q, k, v)))[:, 0]

    for dtype in DTYPES:
        inputs = {name: random(1, 14112, 256, dtype=dtype) for name in "qkv"}
        placed = {k: t.to(DTYPES[dtype]) for k, t in inputs.items()}
        comparison.job("attention 14112 tokens x 256", "attention", dtype, inputs,
                       {"": in_f32(placed, attend)}, None, in_f32(inputs, attend))


def adam(comparison):
    """One step for the weights of 16 convolutions 128->128, 7 million parameters."""
    weights = [random(128, 128, 3, 3, 3, dtype="f32") for _ in range(16)]
    gradients = [random(*w.shape, dtype="f32") for w in weights]
    inputs = {f"weight.{i:02}": w for i, w in enumerate(weights)}
    inputs |= {f"gradient.{i:02}": g for i, g in enumerate(gradients)}

    def optimiser(**kind):
        parameters = [w.clone().requires_grad_() for w in weights]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        return parameters, torch.optim.Adam(parameters, lr=1e-3, **kind)

    kinds = {"fused": {"fused": True}, "foreach": {"foreach": True}, "loop": {"foreach": False}}
    ways = {name: optimiser(**kind)[1].step for name, kind in kinds.items()}

    def stepped():
        parameters, adam = optimiser(foreach=False)
        # As many steps as ours has made: the warm-up and the rounds.
        for _ in range(options.rounds + 1):
            adam.step()
        return parameters[0]

    comparison.job("Adam step, 7.1 million parameters", "adam", "f32", inputs, ways, None, stepped)


def main():
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder))
        print(f"PyTorch {torch.__version__.split('+')[0]}; {options.threads} threads, best of "
              f"{options.rounds} rounds in turn; ours: {comparison.ours.ask('tier')}\n")
        for jobs in (convolutions, elementwise, attention, adam):
            jobs(comparison)
        comparison.report.show()


if __name__ == "__main__":
    main()
