"""A network that is not trained, in parts that the caches hold: how much faster, with what bits?"""

from __future__ import annotations

import torch
from measure import Row, absolute, faster, in_turns, seconds
from torch import Tensor

from hcsc_mm.models import TIMMBackbone

NAME, PIXELS = "tf_efficientnet_lite0", 96
BATCH = {"tiny": 32, "small": 256, "large": 1024}


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """EfficientNet-Lite0 forward in bfloat16, channels last, as ``hcsc_timm_folder.py`` has it."""
    batch = BATCH[scale]
    backbone = TIMMBackbone(NAME, frozen_stages=-1).to(device, memory_format=torch.channels_last)
    images = torch.randn(batch, 3, PIXELS, PIXELS, device=device)
    images = images.to(memory_format=torch.channels_last)

    def forward(network) -> Tensor:
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            return network(images)[0]

    ways = {"parts": backbone, "whole": backbone._forward}
    difference = (forward(ways["parts"]) - forward(ways["whole"])).abs().max().item()
    times = in_turns(
        {
            name: lambda network=network: seconds(lambda: forward(network), device)
            for name, network in ways.items()
        },
        repeats,
    )
    what = f"{NAME}, {batch} images of {PIXELS} pixels"
    return [
        faster(f"the whole batch : in parts, {what}", times["parts"], times["whole"], 1.3),
        absolute("largest difference of a feature", [difference], 0.0, ""),
    ]
