"""One side of the comparison of U-Nets in Python: PyTorch with MONAI, or OpenVINO. Driven by unet.py.

    unet_side.py SIDE FOLDER [--train | --sample STEPS]

SIDE is torch or openvino, then a dtype, then for torch a memory format: `torch-bf16-channels_last`.
FOLDER holds config.json, weights.safetensors and inputs.safetensors. Answers on stdout to lines on
stdin: `time` does the work once and prints seconds on the clock and of the processors; `keep FILE`
writes the result as raw f32; `memory` prints the greatest memory so far in MiB.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from sides import serve

SIDE, FOLDER, TRAIN = sys.argv[1], Path(sys.argv[2]), "--train" in sys.argv
STEPS = int(sys.argv[sys.argv.index("--sample") + 1]) if "--sample" in sys.argv else 0
LIBRARY, DTYPE, FORMAT = (SIDE.split("-") + ["", ""])[:3]
THREADS = int(__import__("os").environ["OMP_NUM_THREADS"])


def network():
    import torch
    from monai.networks.nets import DiffusionModelUNet
    from safetensors.torch import load_file as load_tensors

    torch.set_num_threads(THREADS)
    config = json.loads((FOLDER / "config.json").read_text())
    config.pop("architecture")
    unet = DiffusionModelUNet(**config)
    unet.load_state_dict(load_tensors(FOLDER / "weights.safetensors"))
    return torch, unet


def torch_forward():
    torch, unet = network()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[DTYPE]
    memory_format = {"contiguous": torch.contiguous_format,
                     "channels_last": torch.channels_last_3d}[FORMAT]
    unet = unet.eval().to(dtype).to(memory_format=memory_format)
    inputs = {k: torch.from_numpy(v) for k, v in load_file(FOLDER / "inputs.safetensors").items()}
    x = inputs["input"].to(dtype).contiguous(memory_format=memory_format)

    def work():
        with torch.inference_mode():
            return unet(x, inputs["timesteps"]).to(torch.float32).contiguous().numpy()

    return work


def torch_sampling():
    """MONAI's DDIM at a number of steps that divides 1000; the sample is f32 whatever the network is."""
    torch, unet = network()
    from monai.networks.schedulers import DDIMScheduler

    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[DTYPE]
    memory_format = {"contiguous": torch.contiguous_format,
                     "channels_last": torch.channels_last_3d}[FORMAT]
    unet = unet.eval().to(dtype).to(memory_format=memory_format)
    scheduler = DDIMScheduler(num_train_timesteps=1000, schedule="scaled_linear_beta", beta_start=0.0005,
                              beta_end=0.0195, clip_sample=False)
    scheduler.set_timesteps(STEPS)
    # MONAI 1.6 spaces its timesteps from 999 to 0 but steps by 1000 / STEPS: these are the ones it steps to.
    scheduler.timesteps = torch.arange(STEPS - 1, -1, -1) * (1000 // STEPS)
    noise = torch.from_numpy(load_file(FOLDER / "inputs.safetensors")["input"])

    def work():
        x = noise
        with torch.inference_mode():
            for t in scheduler.timesteps:
                given = x.to(dtype).contiguous(memory_format=memory_format)
                predicted = unet(given, torch.tensor([int(t)])).to(torch.float32)
                x, _ = scheduler.step(predicted, int(t), x)
            return x.contiguous().numpy()

    return work


def torch_training():
    torch, unet = network()
    memory_format = {"contiguous": torch.contiguous_format,
                     "channels_last": torch.channels_last_3d}[FORMAT]
    unet = unet.train().to(memory_format=memory_format)
    inputs = {k: torch.from_numpy(v) for k, v in load_file(FOLDER / "inputs.safetensors").items()}
    x = inputs["input"].contiguous(memory_format=memory_format)
    noise = inputs["noise"].contiguous(memory_format=memory_format)
    adam = torch.optim.Adam(unet.parameters(), lr=5e-5, fused=True)

    def work():
        adam.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(unet(x, inputs["timesteps"]), noise)
        loss.backward()
        adam.step()
        return np.array([loss.item()], np.float32)

    return work


def openvino_forward():
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(FOLDER / "model.xml"), "CPU", {
        "INFERENCE_PRECISION_HINT": {"f32": "f32", "bf16": "bf16"}[DTYPE],
        "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    inputs = load_file(FOLDER / "inputs.safetensors")
    request = compiled.create_infer_request()
    given = [inputs["input"], inputs["timesteps"]]
    return lambda: request.infer(given)[0]


def convert():
    """Writes the OpenVINO model, in a process of its own, so that its memory is not counted."""
    import openvino

    torch, unet = network()
    inputs = {k: torch.from_numpy(v) for k, v in load_file(FOLDER / "inputs.safetensors").items()}
    given = (inputs["input"], inputs["timesteps"])
    model = openvino.convert_model(unet.eval(), example_input=given,
                                   input=[list(t.shape) for t in given])
    openvino.save_model(model, FOLDER / "model.xml", compress_to_fp16=False)


def main():
    if SIDE == "convert":
        return convert()
    with_torch = torch_training if TRAIN else torch_sampling if STEPS else torch_forward
    work = openvino_forward() if LIBRARY == "openvino" else with_torch()
    serve(work)


if __name__ == "__main__":
    main()
