"""PyTorch's side of the comparison of segmentation networks. Driven by segmentation.py.

    segmentation_side.py FORMAT FOLDER (--train | --predict | --make)

FORMAT is `contiguous` or `channels_last`. FOLDER holds config.json, weights.safetensors and
inputs.safetensors; `--make` draws the weights. Answers on stdout to lines on stdin: `time` does the work
once and prints seconds on the clock and of the processors; `keep FILE` writes the result as raw f32;
`memory` prints the greatest memory so far in MiB.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from sides import serve

FORMAT, FOLDER, JOB = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
MEMORY_FORMAT = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}[FORMAT]


def nn_unet(config):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    plan = config["plan"]
    stages = len(plan["kernels"])
    channels = [min(config["base_channels"] * 2**i, config["most_channels"]) for i in range(stages)]
    n = config["convolutions"]
    return PlainConvUNet(
        config["in_channels"], stages, channels, torch.nn.Conv3d, plan["kernels"], plan["strides"],
        [n] * stages, config["classes"], [n] * (stages - 1), conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=JOB == "--train")


def seg_res_net(config):
    from monai.networks.nets import SegResNet

    return SegResNet(
        init_filters=config["init_filters"], in_channels=config["in_channels"],
        out_channels=config["out_channels"], norm=("GROUP", {"num_groups": config["num_groups"]}),
        blocks_down=tuple(config["blocks_down"]), blocks_up=tuple(config["blocks_up"]))


def parameters(net):
    """Each once: nnU-Net's network knows them under several names."""
    return {k: p for k, p in net.named_parameters(remove_duplicate=False)
            if "all_modules" not in k and "decoder.encoder" not in k}


def network():
    config = json.loads((FOLDER / "config.json").read_text())
    return {"nn_unet": nn_unet, "seg_res_net": seg_res_net}[config["architecture"]](config)


def make():
    torch.manual_seed(20261120)
    kept = {k: p.detach().contiguous().clone() for k, p in parameters(network()).items()}
    save_file(kept, FOLDER / "weights.safetensors")


def loaded():
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net = network()
    weights = load_file(FOLDER / "weights.safetensors")
    with torch.no_grad():
        for name, parameter in parameters(net).items():
            parameter.copy_(weights[name])
    return net.to(memory_format=MEMORY_FORMAT), load_file(FOLDER / "inputs.safetensors")


def dice_cross_entropy(logits, target):
    """nnU-Net v2's: soft Dice without the background, over each item; plus cross-entropy."""
    p = torch.softmax(logits, 1)
    with torch.no_grad():
        g = torch.zeros_like(p, dtype=torch.bool).scatter_(1, target[:, None], True)
        sum_g = g.sum((2, 3, 4))[:, 1:]
    overlap = (p[:, 1:] * g[:, 1:]).sum((2, 3, 4))
    dice = (2 * overlap + 1e-5) / (p[:, 1:].sum((2, 3, 4)) + sum_g + 1e-5)
    return 1 - dice.mean() + torch.nn.functional.cross_entropy(logits, target)


def training():
    """A step of nnU-Net's recipe: deep supervision, SGD with Nesterov momentum, clipping."""
    net, inputs = loaded()
    x, target = inputs["patches"].contiguous(memory_format=MEMORY_FORMAT), inputs["classes"].long()
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.99, nesterov=True, weight_decay=3e-5,
                          foreach=False, fused=True)
    net.train()

    def work():
        sgd.zero_grad(set_to_none=True)
        outputs = net(x)
        weights = np.array([0.5**i for i in range(len(outputs))])
        weights[-1] = 0
        weights /= weights.sum()
        loss = 0
        for weight, logits in zip(weights, outputs):
            if weight:
                step = [a // b for a, b in zip(target.shape[1:], logits.shape[2:])]
                coarse = target[:, :: step[0], :: step[1], :: step[2]].contiguous()
                loss = loss + weight * dice_cross_entropy(logits, coarse)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 12)
        sgd.step()
        return np.array([loss.item()], np.float32)

    return work


def prediction():
    """MONAI's inferer: half overlap, Gaussian weights, no mirroring, one window at a time."""
    from monai.inferers import sliding_window_inference

    net, inputs = loaded()
    net.eval()
    scan, window = inputs["scan"], tuple(inputs["patches"].shape[2:])
    given = lambda patch: net(patch.contiguous(memory_format=MEMORY_FORMAT))

    def work():
        with torch.inference_mode():
            return sliding_window_inference(scan, window, 1, given, overlap=0.5, mode="gaussian",
                                            sigma_scale=0.125, padding_mode="constant", cval=0.0).numpy()

    return work


def main():
    if JOB == "--make":
        return make()
    work = training() if JOB == "--train" else prediction()
    serve(work)


if __name__ == "__main__":
    main()
