"""Which ResNet a backbone's weights are, and whether they are all there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import HCSCError
from ..utils.state_dicts import has_negative_variance
from .layouts import Weights
from .shape import Shape

# (blocks of each stage, with a bottleneck) → depth (He et al., 2016, Table 1)
_DEPTHS = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}
# of batch norm: files of old PyTorch versions have none, and no feature depends on it
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class ResNetShape(Shape):
    """What tells one ResNet from another.

    Attributes:
        depth: 18, 34, 50, 101 or 152.
        stem_size: Side of the first convolution's kernel; 3 is ``mmpretrain.ResNet_CIFAR``.
        stem_channels: Channels after the first convolution.
        base_channels: Channels within the blocks of the first stage.
        first_stride: Stride of the first stage, where the weights tell; those of the others have no
            part in names and shapes.
    """

    depth: int
    stem_size: int = 7
    stem_channels: int = 64
    base_channels: int = 64
    first_stride: int = 1

    def __str__(self) -> str:
        kind = "ResNet_CIFAR" if self.stem_size == 3 else "ResNet"
        oddities = []
        if (self.stem_channels, self.base_channels) != (64, 64):
            oddities.append(f"{self.stem_channels} stem and {self.base_channels} base channels")
        if self.first_stride != 1:
            oddities.append(f"a first stage of stride {self.first_stride}")
        return f"{kind}-{self.depth}" + (f" with {' and '.join(oddities)}" if oddities else "")

    @property
    def is_standard(self) -> bool:
        """Whether every library has this network under the name ResNet."""
        return self == ResNetShape(self.depth)

    @property
    def targets(self) -> frozenset[str]:
        """Layouts that can hold it."""
        plain = {"hcsc_mm", "mmpretrain"}
        others = {"mmdet", "torchvision", "timm", "detectron2"}
        return frozenset(plain | others if self.is_standard else plain)

    @property
    def timm_name(self) -> str:
        """The standard network's name in timm."""
        return f"resnet{self.depth}"

    @property
    def out_channels(self) -> int:
        """Channels of the last stage: those of the first, doubled three times, and four times as
        many after a bottleneck.
        """
        return self.base_channels * 8 * (4 if self.depth >= 50 else 1)

    def config(self) -> dict:
        cfg = dict(type="ResNet_CIFAR" if self.stem_size == 3 else "ResNet", depth=self.depth)
        if (self.stem_channels, self.base_channels) != (64, 64):
            cfg.update(stem_channels=self.stem_channels, base_channels=self.base_channels)
        if self.first_stride != 1:
            cfg.update(strides=(self.first_stride, 2, 2, 2))
        return cfg


def recognize(backbone: Mapping[str, Tensor]) -> ResNetShape:
    """The ResNet whose weights these seem to be, by its stem and its blocks.

    Raises:
        HCSCError: it is none with a plain stem of 7 × 7 or 3 × 3, or has a number of blocks that no
            ResNet has.
    """
    stem, first = backbone.get("conv1.weight"), backbone.get("layer1.0.conv1.weight")
    if stem is None or stem.ndim != 4 or first is None or first.ndim != 4:
        missing = "conv1.weight" if stem is None else "layer1.0.conv1.weight"
        raise HCSCError(
            f"the backbone is no ResNet with a plain stem: {missing} is missing or no convolution"
        )
    blocks = [set(), set(), set(), set()]
    for name in backbone:
        match = re.match(r"layer([1-4])\.(\d+)\.", name)
        if match:
            blocks[int(match[1]) - 1].add(int(match[2]))
    counts = tuple(max(stage, default=-1) + 1 for stage in blocks)
    bottleneck = "layer1.0.conv3.weight" in backbone
    depth = _DEPTHS.get((counts, bottleneck))
    stem_size = stem.shape[-1]
    if depth is None or stem_size not in (3, 7):
        kind = "bottleneck" if bottleneck else "basic"
        raise HCSCError(
            f"the backbone is no ResNet-18, 34, 50, 101 or 152: {counts} {kind} blocks after a "
            f"stem of {stem_size} × {stem_size}; "
            "a ResNet must have all of its stages"
        )
    # Basic blocks of as many channels as the stem need a shortcut of their own only for a stride.
    strided = (
        not bottleneck
        and stem.shape[0] == first.shape[0]
        and "layer1.0.downsample.0.weight" in backbone
    )
    return ResNetShape(depth, stem_size, stem.shape[0], first.shape[0], 2 if strided else 1)


def check_backbone(
    backbone: Mapping[str, Tensor],
    shape: Shape,
    what: str = "the backbone",
) -> Weights:
    """The weights in the order of the network, in float32, with batch counters of 0 where the file
    has none.

    Args:
        backbone: torchvision's names, or timm's of a ViT or an EfficientNet → weights.
        shape: What they should be the weights of.
        what: How errors call them.

    Raises:
        HCSCError: a weight is missing, unknown, of another shape, no number, or no floating point;
            names the first.
    """
    template = shape.template()
    missing = [name for name in template if name not in backbone and not name.endswith(_COUNTER)]
    unknown = [name for name in backbone if name not in template]
    reshaped = [
        name
        for name in template
        if name in backbone and backbone[name].shape != template[name].shape
    ]
    problems = [
        f"{len(names)} {what} ({names[0]})"
        for names, what in ((missing, "missing"), (unknown, "unknown"))
        if names
    ]
    if reshaped:
        name = reshaped[0]
        problems.append(
            f"{len(reshaped)} of another shape ({name} is {tuple(backbone[name].shape)}, not "
            f"{tuple(template[name].shape)})"
        )
    if problems:
        raise HCSCError(
            f"{what} looks like a {shape}, but its weights do not fit: {', '.join(problems)}; "
            "nothing is converted"
        )
    return {name: _as_template(name, backbone.get(name), value) for name, value in template.items()}


def _as_template(name: str, value: Tensor | None, template: Tensor) -> Tensor:
    if value is None:
        return torch.zeros((), dtype=torch.long)
    if not template.is_floating_point():
        return value.to(template.dtype).clone()
    if not value.is_floating_point():
        raise HCSCError(
            f"{name} holds {value.dtype}, not floating point: a quantised network cannot be "
            "converted"
        )
    value = value.to(
        template.dtype, copy=True, memory_format=torch.contiguous_format
    )  # a copy: a view would be saved with all it views
    if not bool(torch.isfinite(value).all()):
        raise HCSCError(f"{name} holds NaN or infinity: these weights are of no use")
    if has_negative_variance(name, value):
        raise HCSCError(f"{name} holds a variance below 0: these weights are of no use")
    return value
