#!/usr/bin/env python
"""Images per second, memory and losses of a training step in float32, channels last, bfloat16,
compiled, accumulated: ``python benchmarks/bench_precision.py``; ``--device cuda`` for a GPU. See
docs/precision.md. In turns with float32: ``make bench ARGS="--only precision"``.

Each way is a process of its own, so that its peak memory is its own. All begin at the same weights
and see the same images. ``--curves losses.json --steps 500`` compares how the losses go instead: of
the digits' network, which learns in so many steps, in some runs that differ in their draws of
images and crops. With ``--size 64 --network resnet`` it is the digits, enlarged, and the ResNet-18
of the speeds. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from measure import Row, in_turns, peak_mib, slower
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from precision_curves import print_curves
from torch import Tensor

import hcsc_mm  # noqa: F401
from hcsc_mm.datasets import Digits
from hcsc_mm.registry import MODELS

WAYS = {
    "float32": {},
    "channels_last": {"last": True},
    "bf16": {"half": torch.bfloat16},
    "bf16 + channels_last": {"half": torch.bfloat16, "last": True},
    "compiled": {"compiled": True},
    "bf16 + channels_last + compiled": {"half": torch.bfloat16, "last": True, "compiled": True},
    "checkpointed activations": {"with_cp": True},
    "accumulated in 4 parts": {"parts": 4},
    "fp16": {"half": torch.float16},
    # what one rounding, of the weights before the first step, leads to
    "float32 from weights in bf16": {"start": torch.bfloat16},
}
# not what a CPU is not made for, and what has the speed of float32
BY_DEFAULT = [way for way in WAYS if way not in ("fp16", "float32 from weights in bf16")]
IN_TURNS = tuple(
    way for way in BY_DEFAULT if way not in ("float32", "bf16 + channels_last + compiled")
)
SPLITS = 4  # of batch norm
SPARES_MEMORY = ("with_cp", "parts")
SCALES = {  # of a table in turns
    "tiny": dict(depth=18, size=32, batch=32, steps=4),
    "small": dict(depth=18, size=64, batch=64, steps=6),
    "large": dict(depth=50, size=224, batch=256, steps=20),
}
# what a run depends on, beside its way
SIZES = ("size", "batch", "steps", "depth", "network", "device")


def build(args: argparse.Namespace, with_cp: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    norm = dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=SPLITS)
    common = dict(depth=args.depth, with_cp=with_cp, norm_cfg=norm)
    if args.network == "digits":  # of configs/hcsc_r18_digits.py
        backbone = dict(
            type="ResNet_CIFAR",
            stem_channels=16,
            base_channels=16,
            strides=(2, 2, 2, 1),
            **common,
        )
        neck = dict(in_channels=128, hid_channels=128, out_channels=64)
        memory = dict(queue_len=512, momentum=0.004)
    else:
        backbone = dict(type="ResNet", **common)
        neck = dict(in_channels=512 if args.depth < 50 else 2048)
        memory = dict(queue_len=1024)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(
            dict(
                type="hcsc_mm.MomentumContrast",
                backbone=backbone,
                neck=dict(type="hcsc_mm.ProjectionNeck", **neck),
                head=dict(type="hcsc_mm.InfoNCEHead"),
                **memory,
            )
        )


def draws(args: argparse.Namespace) -> Callable[[], list[Tensor]]:
    """What draws the two views of a batch; equal calls draw the same."""
    generator = torch.Generator().manual_seed(args.seed)

    def noise() -> list[Tensor]:
        base = torch.randn(args.batch, 3, args.size, args.size, generator=generator)
        return [base + 0.3 * torch.randn(base.shape, generator=generator) for _ in range(2)]

    if not args.curves:
        return noise
    scans = Digits(split="train")
    scans = torch.stack([torch.from_numpy(scans[row]["img"]) for row in range(len(scans))])
    scans = ((scans.float() - 78.0) / 96.0).permute(0, 3, 1, 2)  # (N, 3, 8, 8)

    def digits() -> list[Tensor]:
        batch = scans[torch.randint(len(scans), (args.batch,), generator=generator)]
        return [_cropped(batch, args.size, generator) for _ in range(2)]

    return digits


def _cropped(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """(B, 3, side, side): each enlarged, turned and moved by amounts of its own, its contrast
    changed.
    """
    drawn = 2 * torch.rand(len(images), 5, generator=generator) - 1  # (B, 5) in [-1, 1)
    zoom, angle = 1 + 0.2 * drawn[:, 0], 0.26 * drawn[:, 1]  # 15 degrees
    turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    moved = 0.24 * drawn[:, 2:4, None]  # of half a side
    grid = F.affine_grid(
        torch.cat([zoom[:, None, None] * turned, moved], 2),
        [len(images), 3, side, side],
        align_corners=False,
    )
    cropped = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return cropped * (1 + 0.4 * drawn[:, 4]).view(-1, 1, 1, 1)


def measure(args: argparse.Namespace) -> dict[str, float | list[float]]:
    """Step time (the fastest: other work on the machine only slows), peak memory, and losses of one
    way.
    """
    way = WAYS[args.way]
    model = build(args, way.get("with_cp", False)).to(args.device).train()
    if way.get("start"):
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight.to(way["start"]))
    if way.get("last"):
        model.backbone.to(memory_format=torch.channels_last)
        model.momentum_encoder.to(memory_format=torch.channels_last)
    if way.get("compiled"):
        for network in (model.backbone, model.momentum_encoder):
            network.compile(dynamic=False)
    optimizer = torch.optim.SGD(
        [w for w in model.parameters() if w.requires_grad],
        lr=0.06 if args.curves else 0.03,
        momentum=0.9,
    )
    scaler = torch.amp.GradScaler(args.device, enabled=way.get("half") == torch.float16)
    samples = [DataSample() for _ in range(args.batch)]
    losses, times = [], []
    draw = draws(args)
    half, parts = way.get("half"), way.get("parts", 1)
    if args.batch % (parts * SPLITS):
        raise SystemExit(f"error: {args.way} needs a --batch that {parts * SPLITS} divides")
    for _ in range(args.steps):
        views = [view.to(args.device) for view in draw()]
        if way.get("last"):
            views = [view.contiguous(memory_format=torch.channels_last) for view in views]
        _wait(args.device)
        start = time.perf_counter()
        optimizer.zero_grad()
        whole = 0.0
        for part in zip(*(view.chunk(parts) for view in views), strict=True):
            with torch.autocast(args.device, dtype=half, enabled=half is not None):
                found = model.loss(list(part), samples[: len(part[0])])
                loss = sum(value for name, value in found.items() if "loss" in name) / parts
            scaler.scale(loss).backward()
            whole += loss.detach()
        scaler.step(optimizer)
        scaler.update()
        _wait(args.device)
        times.append(time.perf_counter() - start)
        losses.append(float(whole))
    return {"seconds": min(times), "mib": _peak(args.device), "losses": losses}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    """MiB of this process at most: the device's memory on a GPU, else the resident one."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_mib()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, help="side of the images; 64, and 16 of curves")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12, help="at least 4")
    parser.add_argument("--depth", type=int, default=18, choices=(18, 50), help="of the ResNet")
    parser.add_argument(
        "--network",
        choices=("digits", "resnet"),
        help="hcsc_r18_digits.py's, or mmpretrain's ResNet; the first for curves alone",
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--ways", nargs="+", default=BY_DEFAULT, choices=list(WAYS))
    parser.add_argument("--curves", metavar="FILE", help="compare losses, and write all of them")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each way, of curves")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.size = args.size or (16 if args.curves else 64)
    args.network = args.network or ("digits" if args.curves else "resnet")
    if args.way:
        print(json.dumps(measure(args)))
    elif args.curves:
        settings = {name: getattr(args, name) for name in SIZES}
        print_curves(
            args.curves,
            settings,
            args.ways,
            args.seeds,
            lambda way, seed: _in_own_process(args, way, seed)["losses"],
        )
    else:
        print_speeds(args)


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """Step time of each way beside float32's, and memory where it is what the way is for."""
    args = argparse.Namespace(**SCALES[scale], network="resnet", device=device, curves=None)
    ways = ("float32", *IN_TURNS)
    found = in_turns({way: lambda way=way: _in_own_process(args, way) for way in ways}, repeats)
    times = {way: [run["seconds"] for run in found[way]] for way in ways}
    memory = {way: [run["mib"] for run in found[way]] for way in ways}
    lines = [
        slower(f"step, {way} : float32", times[way], times["float32"], None) for way in IN_TURNS
    ]
    return lines + [
        slower(f"peak memory, {way} : float32", memory[way], memory["float32"], None, "MiB", 1.0)
        for way in IN_TURNS
        if any(WAYS[way].get(name) for name in SPARES_MEMORY)
    ]


def print_speeds(args: argparse.Namespace) -> None:
    """The table of docs/precision.md, a row as soon as it is measured."""
    print("| | images/s | step, s | peak memory, MiB | largest difference of a loss | last loss |")
    print("|---|---|---|---|---|---|")
    reference = None
    for way in args.ways:
        found = _in_own_process(args, way)
        reference = reference or found["losses"]
        apart = max(abs(a - b) for a, b in zip(reference, found["losses"], strict=True))
        print(
            f"| {way} | {args.batch / found['seconds']:.0f} | {found['seconds']:.3f} | "
            f"{found['mib']:.0f} | {apart:.2g} | {found['losses'][-1]:.3f} |",
            flush=True,
        )


def _in_own_process(args: argparse.Namespace, way: str, seed: int = 0) -> dict:
    """What :func:`measure` finds."""
    words = [word for name in SIZES for word in (f"--{name}", str(getattr(args, name)))]
    words += ["--curves", args.curves] if args.curves else []
    done = subprocess.run(
        [sys.executable, __file__, "--way", way, "--seed", str(seed), *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
