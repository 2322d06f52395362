"""A ConvNeXt's weights: the names of timm, of mmpretrain and of the code that its authors publish,
and which one they are.

Within this room they have timm's names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ..errors import HCSCError
from .shape import Shape

MARK = "stages.0.blocks.0.conv_dw.weight"  # a tensor of each by timm's name
OPENMMLAB_MARK = "stages.0.0.depthwise_conv.weight"
PUBLISHED_MARK = "stages.0.0.dwconv.weight"
_TIMM = re.compile(
    r"stem\.[01]\.\w+|stages\.\d+\.downsample\.[01]\.\w+|head\.norm\.\w+"
    r"|stages\.\d+\.blocks\.\d+\.(gamma|(conv_dw|norm|mlp\.\w+)\.\w+)"
)
_OPENMMLAB = {  # within a block, timm's → mmpretrain's
    "conv_dw": "depthwise_conv",
    "mlp.fc1": "pointwise_conv1",
    "mlp.fc2": "pointwise_conv2",
}
_PUBLISHED = {  # within a block, timm's → the authors'
    "conv_dw": "dwconv",
    "mlp.fc1": "pwconv1",
    "mlp.fc2": "pwconv2",
}
# The second version's global response normalization, timm's → that of both others. The authors
# keep its weights as (1, 1, 1, C).
_GRN = {"mlp.grn.weight": "grn.gamma", "mlp.grn.bias": "grn.beta"}
_OF_GRN = re.compile(r"stages\.\d+\.blocks\.\d+\.mlp\.grn\.\w+")


@dataclass(frozen=True)
class ConvNeXtShape(Shape):
    """What tells one ConvNeXt (Liu et al., CVPR 2022; Woo et al., CVPR 2023) from another.

    Attributes:
        depths: Blocks of each of the four stages.
        channels: Channels of each stage.
        patch: Side of the stem's patches in pixels.
        in_channels: Number of channels of the images.
        linear: Whether the layers within a block are linear, and not convolutions of 1 × 1: the
            same numbers in other shapes.
        grn: Whether it is of the second version: global response normalization within the blocks,
            and no scales of their layers.
    """

    depths: tuple[int, ...]
    channels: tuple[int, ...]
    patch: int = 4
    in_channels: int = 3
    linear: bool = True
    grn: bool = False

    def __str__(self) -> str:
        depths, channels = ("-".join(map(str, numbers)) for numbers in (self.depths, self.channels))
        name = "ConvNeXt V2" if self.grn else "ConvNeXt"
        return f"{name} of {depths} blocks of {channels}, patches of {self.patch}"

    @property
    def out_channels(self) -> int:
        return self.channels[-1]

    @property
    def pooled(self) -> dict:
        return {"gap_before_final_norm": True}

    @property
    def whole(self) -> dict:
        return {"gap_before_final_norm": False}

    def config(self) -> dict:
        cfg = dict(
            type="ConvNeXt",
            arch=dict(depths=list(self.depths), channels=list(self.channels)),
            stem_patch_size=self.patch,
            in_channels=self.in_channels,
        )
        if self.grn:
            cfg.update(use_grn=True, layer_scale_init_value=0.0)
        return cfg if self.linear else {**cfg, "linear_pw_conv": False}

    @property
    def timm_name(self) -> str:
        return "convnextv2_tiny" if self.grn else "convnext_tiny"

    def timm_options(self) -> dict:
        """What makes any of timm's ConvNeXts this one."""
        return dict(
            depths=self.depths,
            dims=self.channels,
            patch_size=self.patch,
            in_chans=self.in_channels,
            conv_mlp=not self.linear,
        )

    def timm_features(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """timm's network → what computes all that it does, for images; the last norm is a part of
        timm's head.
        """
        return lambda images: network.head.norm(network.forward_features(images))

    def openmmlab_name(self, name: str) -> str:
        return to_mmpretrain(name)

    def template(self) -> dict[str, Tensor]:
        """Name → tensor of the network's shapes."""
        return rename_convnext(self.build().state_dict())

    def fit(self, images: Tensor) -> Tensor:
        """Images of a size that it takes: any; with as many channels as it has."""
        return images[:, : self.in_channels]


def is_convnext_name(name: str) -> bool:
    """Whether a tensor belongs to the backbone of a ConvNeXt, by timm's name."""
    return _TIMM.fullmatch(name) is not None


def to_mmpretrain(name: str) -> str:
    """timm's name → mmpretrain's."""
    name = re.sub(r"^stem\.", "downsample_layers.0.", name)
    name = re.sub(r"^stages\.(\d+)\.downsample\.", r"downsample_layers.\1.", name)
    name = re.sub(r"^head\.norm\.", "norm3.", name)
    match = re.match(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)$", name)
    if match is None:
        return name
    inner = _GRN.get(match[3], match[3])
    for ours, theirs in _OPENMMLAB.items():
        inner = re.sub(rf"^{re.escape(ours)}\.", f"{theirs}.", inner)
    return f"stages.{match[1]}.{match[2]}.{inner}"


def to_timm(name: str) -> str:
    """mmpretrain's or the authors' name → timm's; timm's own stay as they are."""
    name = re.sub(r"^downsample_layers\.0\.", "stem.", name)
    name = re.sub(r"^downsample_layers\.(\d+)\.", r"stages.\1.downsample.", name)
    name = re.sub(r"^norm3?\.", "head.norm.", name)
    match = re.match(r"stages\.(\d+)\.(\d+)\.(.+)$", name)
    if match is None:
        return name
    inner = {theirs: ours for ours, theirs in _GRN.items()}.get(match[3], match[3])
    for theirs in (_OPENMMLAB, _PUBLISHED):
        for ours, other in theirs.items():
            inner = re.sub(rf"^{other}\.", f"{ours}.", inner)
    return f"stages.{match[1]}.blocks.{match[2]}.{inner}"


def rename_convnext(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A backbone's weights by timm's names and in its shapes, if they are a ConvNeXt's of
    mmpretrain or of its authors; any others as they are.
    """
    renamed = dict(weights)
    if {OPENMMLAB_MARK, PUBLISHED_MARK} & weights.keys():
        renamed = {to_timm(name): value for name, value in weights.items()}
    return {
        name: value.reshape(-1) if _OF_GRN.fullmatch(name) else value
        for name, value in renamed.items()
    }


def recognize_convnext(backbone: Mapping[str, Tensor]) -> ConvNeXtShape:
    """The ConvNeXt whose weights these seem to be.

    Raises:
        HCSCError: its stem is no plain one of patches, or it has not four stages.
    """
    stem = backbone.get("stem.0.weight")
    found = [re.match(r"stages\.(\d+)\.blocks\.(\d+)\.", name) for name in backbone]
    blocks = {(int(match[1]), int(match[2])) for match in found if match is not None}
    depths = tuple(sum(stage == at for at, _ in blocks) for stage in range(4))
    firsts = [backbone.get(f"stages.{stage}.blocks.0.conv_dw.weight") for stage in range(4)]
    layer = backbone.get("stages.0.blocks.0.mlp.fc1.weight")
    if (
        stem is None
        or stem.ndim != 4
        or layer is None
        or any(one is None for one in firsts)
        or any(at > 3 for at, _ in blocks)
    ):
        raise HCSCError(
            "the backbone is no plain ConvNeXt: a stem of patches (stem.0.weight) and four stages "
            "of blocks with mlp.fc1 are needed"
        )
    channels = tuple(one.shape[0] for one in firsts)
    grn = any(_OF_GRN.fullmatch(name) for name in backbone)
    return ConvNeXtShape(depths, channels, stem.shape[-1], stem.shape[1], layer.ndim == 2, grn)
