"""A whole training step of one process, encoders, optimizer and all, against those of mmpretrain's
MoCo v2 and v3 and of a classifier.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from measure import Row, in_turns, more, seconds, slower
from step_models import SIZES, Sizes, batch, build
from torch import Tensor

STEPS = {"tiny": 2, "small": 4, "large": 10}
NAMES = ("hcsc", "mocov2", "supervised", "hcsc_vit", "hcsc_vit_symmetric", "mocov3")
PRECISIONS = {"float32": None, "bf16": torch.bfloat16}


class Step:
    """A model with an optimizer and a batch.

    Args:
        name: Of ``step_models.CONFIGS``.
        sizes: Of the model and its batch.
        device: Where all is.
        half: Type of the encoders' products; None: float32.
    """

    def __init__(self, name: str, sizes: Sizes, device: str, half: torch.dtype | None) -> None:
        self.device, self.half = torch.device(device).type, half
        self.model = build(name, sizes, device)
        self.inputs, self.samples = batch(name, sizes, device)
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        is_vit = "vit" in name or name == "mocov3"
        kind = torch.optim.AdamW if is_vit else torch.optim.SGD
        self.optimizer = kind(weights, lr=1e-4)

    def loss(self) -> Tensor:
        """Forward, as the model trains."""
        with torch.autocast(self.device, dtype=self.half, enabled=self.half is not None):
            losses = self.model.loss(self.inputs, self.samples)
        return sum(value for name, value in losses.items() if "loss" in name)

    def __call__(self) -> None:
        loss = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """Times in float32 and bfloat16, and on a GPU what a step takes of its memory."""
    found: list[Row] = []
    for precision, half in PRECISIONS.items():
        of_it = _rows(SIZES[scale], STEPS[scale], repeats, device, precision, half)
        # the goals are for a GPU and ImageNet's sizes
        found += of_it if scale == "large" else [replace(row, goal=None) for row in of_it]
    return found


def _rows(
    sizes: Sizes,
    number: int,
    repeats: int,
    device: str,
    precision: str,
    half: torch.dtype | None,
) -> list[Row]:
    steps = {name: Step(name, sizes, device, half) for name in NAMES}
    for step in steps.values():
        for _ in range(2):  # kernels are chosen, buffers made
            step()
    times = in_turns(
        {name: lambda step=step: _seconds(step, number, device) for name, step in steps.items()},
        repeats,
    )
    rate = {name: [sizes.batch / t for t in turns] for name, turns in times.items()}
    of = f"{precision}, batch {sizes.batch}, {sizes.side} pixels"
    resnet, vit = f"ResNet-{sizes.depth}", f"ViT of width {sizes.width}"
    found = [
        slower(
            f"HCSC step, {resnet}, {of} : mmpretrain's MoCo v2",
            times["hcsc"],
            times["mocov2"],
            1.03,
        ),
        more(
            f"HCSC, {resnet}, {of} : a classifier of mmpretrain",
            rate["hcsc"],
            rate["supervised"],
            0.9 * 3 / 4 if precision == "bf16" else None,
            "images/s",
        ),
        slower(
            f"HCSC step, {vit}, both views, {of} : mmpretrain's MoCo v3",
            times["hcsc_vit_symmetric"],
            times["mocov3"],
            None,
        ),
        slower(f"HCSC step, {vit}, {of} : the same", times["hcsc_vit"], times["mocov3"], None),
    ]
    if torch.device(device).type == "cuda":
        peaks = {name: [_peak(step)] for name, step in steps.items()}
        for ours, theirs in (("hcsc", "mocov2"), ("hcsc_vit_symmetric", "mocov3")):
            name = f"memory of a step beyond the weights, {ours}, {of} : {theirs}"
            found.append(slower(name, peaks[ours], peaks[theirs], None, "MiB", 1.0))
    return found


def _seconds(step: Step, number: int, device: str) -> float:
    """Of one step, over several."""

    def run() -> None:
        for _ in range(number):
            step()

    return seconds(run, device) / number


def _peak(step: Step) -> float:
    """MiB that a step takes of a GPU beyond what is there before it."""
    step.optimizer.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20
