"""Segmentation networks beside PyTorch; README.md says what columns mean.

Started by run_segmentation.sh. Every side is a process of its own, so that its memory is its own. All do
the same work with the same weights in turn (A B C A B C ...), once to warm up and then `--rounds` times;
the fastest round of each counts, and of PyTorch's two memory formats the faster one. Weights are random.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ours", required=True, help="the built example peer_segmentation")
parser.add_argument("--only", default="", help="only rows whose name contains this")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import numpy as np
from safetensors.numpy import save_file

from sides import Side, frobenius, measure

CLASSES = 5
# nnU-Net's channels and two convolutions a stage, at four stages: what a patch of 64 voxels asks for.
NN_UNET = {"architecture": "nn_unet", "in_channels": 1, "classes": CLASSES, "base_channels": 32,
           "most_channels": 320, "convolutions": 2,
           "plan": {"kernels": [[3, 3, 3]] * 4, "strides": [[1, 1, 1]] + [[2, 2, 2]] * 3}}
# MONAI's defaults but for the number of classes.
SEG_RES_NET = {"architecture": "seg_res_net", "in_channels": 1, "out_channels": CLASSES, "init_filters": 8,
               "num_groups": 8, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]}
HERE = Path(__file__).parent


def write_inputs(folder, batch, patch, scan):
    """Smooth blobs of classes, so that Dice has something to do; images of their values and noise."""
    random = np.random.default_rng(20261120)
    fine = np.kron(random.integers(0, CLASSES, (batch, *(edge // 8 for edge in patch))),
                   np.ones((1, 8, 8, 8), int)).astype(np.int64)
    image = (fine / CLASSES + 0.3 * random.standard_normal(fine.shape))[:, None].astype(np.float32)
    scan = random.standard_normal((1, 1, *scan)).astype(np.float32)
    save_file({"patches": image, "classes": fine, "scan": scan}, folder / "inputs.safetensors")


def row(folder, name, config, job, sizes, goal):
    if options.only not in name:
        return []
    (folder / "config.json").write_text(json.dumps(config))
    python = [sys.executable, HERE / "segmentation_side.py"]
    subprocess.run([*python, "contiguous", folder, "--make"], check=True)
    write_inputs(folder, *sizes)
    sides = [Side("ours", [options.ours, folder, job])]
    sides += [Side(f, [*python, f, folder, job]) for f in ("contiguous", "channels_last")]
    outcome = measure(folder, sides, options.rounds)
    ours = outcome.pop("ours")
    fastest, best = min(outcome.items(), key=lambda side: side[1][0])
    least = min(o[3] for o in outcome.values())
    cells = (name, fastest, f"{best[0] / ours[0]:.2f}", f"{goal:.1f}", f"{best[1] / ours[1]:.2f}",
             f"{ours[3] / least:.2f}", f"{frobenius(ours[2], best[2]):.1e}", f"{ours[0]:.2f} s")
    print("  ".join(cells), file=sys.stderr, flush=True)
    return [cells]


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rows = [("job", "PyTorch", "peer / ours", "goal", "processors", "memory ours / peer", "difference",
                 "ours")]
        one, two = (1, (64, 64, 64), (96, 96, 64)), (2, (64, 64, 64), (96, 96, 64))
        rows += row(folder, "nn_unet training step", NN_UNET, "--train", two, 1.5)
        rows += row(folder, "nn_unet scan", NN_UNET, "--predict", one, 1.5)
        rows += row(folder, "seg_res_net scan", SEG_RES_NET, "--predict", one, 1.5)
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        for r in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip())


if __name__ == "__main__":
    main()
