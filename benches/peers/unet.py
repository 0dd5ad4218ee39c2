"""The U-Net of the Bari papers beside MONAI on PyTorch and OpenVINO; README.md says what columns mean.

Started by run_unet.sh. Every side is a process of its own, so that its memory is its own. All do the
same work with the same weights in turn (A B C A B C ...), once to warm up and then `--rounds` times;
the fastest round of each counts, and of the peers the fastest. Peak memory is that of the whole
process, libraries and all. Weights are random and none is zero, so that no branch is idle.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ours", required=True, help="the built example peer_unet")
parser.add_argument("--only", default="", help="only rows whose name contains this")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--sizes", action="store_true", help="ours alone over the sizes of volume")
options = parser.parse_args()

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = str(options.threads)

import numpy as np
from safetensors.numpy import save_file

from sides import Side, frobenius, measure

CONFIG = {"architecture": "diffusion_unet", "spatial_dims": 3, "in_channels": 1, "out_channels": 1,
          "channels": [128, 128, 256], "attention_levels": [False, False, True],
          "num_res_blocks": 2, "num_head_channels": [0, 0, 256], "norm_num_groups": 32}
HERE = Path(__file__).parent


def write_network(folder):
    """The configuration and weights, by MONAI's own names and shapes."""
    program = """
import json, sys, torch
from monai.networks.nets import DiffusionModelUNet
from safetensors.torch import save_file
config = json.loads(open(sys.argv[1] + "/config.json").read())
config.pop("architecture")
torch.manual_seed(20261120)
unet = DiffusionModelUNet(**config)
for name, p in unet.named_parameters():
    if p.dim() > 1:
        torch.nn.init.kaiming_uniform_(p, a=5 ** 0.5)
save_file({k: v.contiguous() for k, v in unet.state_dict().items()}, sys.argv[1] + "/weights.safetensors")
"""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    subprocess.run([sys.executable, "-c", program, folder], check=True)


def write_inputs(folder, space):
    random = np.random.default_rng(20261120)
    normal = lambda: random.standard_normal((1, 1, *space), np.float32)
    save_file({"input": normal(), "noise": normal(), "timesteps": np.array([500], np.int64)},
              folder / "inputs.safetensors")


def row(folder, name, dtype, space, flags, goals):
    if options.only not in name:
        return None
    write_inputs(folder, space)
    python = [sys.executable, HERE / "unet_side.py"]
    sides = [Side("ours", [options.ours, dtype, folder, *flags])]
    formats = ("contiguous", "channels_last")
    sides += [Side(n, [*python, n, folder, *flags]) for n in (f"torch-{dtype}-{f}" for f in formats)]
    if not flags:
        subprocess.run([*python, "convert", folder], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        sides.append(Side("openvino", [*python, f"openvino-{dtype}", folder]))
    outcome = measure(folder, sides, options.rounds)
    ours = outcome.pop("ours")
    speed_goal, memory_goal = goals
    rows = []
    for peer in ("torch", "openvino"):
        theirs = [(n, o) for n, o in outcome.items() if n.startswith(peer)]
        if not theirs:
            continue
        fastest, best = min(theirs, key=lambda side: side[1][0])
        least = min(o[3] for _, o in theirs)
        rows.append((name, fastest, f"{best[0] / ours[0]:.2f}", f"{speed_goal[peer]:.1f}",
                     f"{best[1] / ours[1]:.2f}", f"{ours[3] / least:.2f}", f"{memory_goal:.1f}",
                     f"{frobenius(ours[2], best[2]):.1e}", f"{ours[3]:.0f} MiB of {least:.0f}"))
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    return rows


def sizes(folder):
    """Ours alone: seconds of one forward and peak memory, by the size of the volume."""
    first = None
    for space in ((32, 48, 32), (44, 64, 44), (64, 96, 64), (84, 128, 84)):
        write_inputs(folder, space)
        for dtype in ("f32", "bf16"):
            side = Side("ours", [options.ours, dtype, folder])
            seconds = min(side.times()[0] for _ in range(2))
            memory = float(side.ask("memory"))
            side.close()
            voxels = np.prod(space)
            print(f"{'x'.join(map(str, space))} {dtype}: {seconds:.2f} s, "
                  f"{seconds / voxels * 1e6:.1f} us/voxel, {memory:.0f} MiB", flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_network(folder)
        if options.sizes:
            return sizes(folder)
        forward, train = (44, 64, 44), (32, 48, 32)
        rows = [("job", "peer", "peer / ours", "goal", "processors", "memory ours / peer", "goal",
                 "difference", "remarks")]
        for job in (
            ("forward f32", "f32", forward, [], ({"torch": 3.0, "openvino": 2.5}, 0.6)),
            ("forward bf16", "bf16", forward, [], ({"torch": 1.5, "openvino": 1.5}, 0.6)),
            ("training step f32", "f32", train, ["--train"], ({"torch": 2.5}, 0.7)),
            ("4 DDIM steps f32", "f32", forward, ["--sample", "4"], ({"torch": 3.0}, 0.6)),
            ("4 DDIM steps bf16", "bf16", forward, ["--sample", "4"], ({"torch": 1.5}, 0.6)),
        ):
            rows += row(folder, *job) or []
        widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
        for r in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip())


if __name__ == "__main__":
    main()
