#!/usr/bin/env python
"""Images per second, memory and losses of a training step in float32, channels last, bfloat16,
compiled: ``python benchmarks/bench_precision.py``; ``--device cuda`` for a GPU. See
docs/precision.md.

Each way is a process of its own, so that its peak memory is its own. All begin at the same weights
and see the same images.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

import hcsc_mm  # noqa: F401
from hcsc_mm.registry import MODELS

WAYS = {
    "float32": {},
    "channels_last": {"last": True},
    "bf16": {"half": torch.bfloat16},
    "bf16 + channels_last": {"half": torch.bfloat16, "last": True},
    "bf16 + channels_last + compiled": {"half": torch.bfloat16, "last": True, "compiled": True},
    "checkpointed activations": {"with_cp": True},
    "fp16": {"half": torch.float16},
}
BY_DEFAULT = [way for way in WAYS if way != "fp16"]  # which a CPU is not made for


def build(args: argparse.Namespace, with_cp: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(
            dict(
                type="hcsc_mm.MomentumContrast",
                queue_len=1024,
                backbone=dict(
                    type="ResNet",
                    depth=args.depth,
                    with_cp=with_cp,
                    norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=4),
                ),
                neck=dict(
                    type="hcsc_mm.ProjectionNeck", in_channels=512 if args.depth < 50 else 2048
                ),
                head=dict(type="hcsc_mm.InfoNCEHead"),
            )
        )


def measure(args: argparse.Namespace) -> dict[str, float | list[float]]:
    """Step time (the fastest: other work on the machine only slows), peak memory, and losses of one
    way.
    """
    way = WAYS[args.way]
    model = build(args, way.get("with_cp", False)).to(args.device).train()
    if way.get("last"):
        model.backbone.to(memory_format=torch.channels_last)
        model.momentum_encoder.to(memory_format=torch.channels_last)
    if way.get("compiled"):
        for network in (model.backbone, model.momentum_encoder):
            network.compile(dynamic=False)
    optimizer = torch.optim.SGD(
        [w for w in model.parameters() if w.requires_grad], lr=0.03, momentum=0.9
    )
    scaler = torch.amp.GradScaler(args.device, enabled=way.get("half") == torch.float16)
    samples = [DataSample() for _ in range(args.batch)]
    losses, times = [], []
    generator = torch.Generator().manual_seed(0)
    for _ in range(args.steps):
        base = torch.randn(args.batch, 3, args.size, args.size, generator=generator)
        views = [base + 0.3 * torch.randn(base.shape, generator=generator) for _ in range(2)]
        views = [view.to(args.device) for view in views]
        if way.get("last"):
            views = [view.contiguous(memory_format=torch.channels_last) for view in views]
        _wait(args.device)
        start = time.perf_counter()
        half = way.get("half")
        with torch.autocast(args.device, dtype=half, enabled=half is not None):
            loss = sum(v for k, v in model.loss(views, samples).items() if "loss" in k)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        _wait(args.device)
        times.append(time.perf_counter() - start)
        losses.append(float(loss.detach()))
    return {"seconds": min(times), "mib": _peak(args.device), "losses": losses}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    """MiB of this process at most: the device's memory on a GPU, else the resident one."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64, help="side of the images")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12, help="at least 4")
    parser.add_argument("--depth", type=int, default=18, choices=(18, 50), help="of the ResNet")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--ways", nargs="+", default=BY_DEFAULT, choices=list(WAYS))
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args)))
        return
    print("| | images/s | step, s | peak memory, MiB | largest difference of a loss | last loss |")
    print("|---|---|---|---|---|---|")
    reference = None
    for way in args.ways:
        sizes = ("size", "batch", "steps", "depth", "device")
        words = [word for name in sizes for word in (f"--{name}", str(getattr(args, name)))]
        done = subprocess.run(
            [sys.executable, __file__, "--way", way, *words],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        reference = reference or found["losses"]
        apart = max(abs(a - b) for a, b in zip(reference, found["losses"], strict=True))
        print(
            f"| {way} | {args.batch / found['seconds']:.0f} | {found['seconds']:.3f} | "
            f"{found['mib']:.0f} | {apart:.2g} | {found['losses'][-1]:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
