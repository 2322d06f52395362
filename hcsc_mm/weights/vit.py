"""A vision transformer's weights: timm's names and mmpretrain's, and which one they are.

Within this room they have timm's names, which are also those of the code that DINO, MAE and
MoCo v3 publish.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from ..errors import HCSCError
from .shape import Shape

_TIMM = re.compile(
    r"(cls_token|pos_embed|dist_token|reg_token|norm_pre\..*|norm\.\w+|patch_embed\..+|blocks\.\d+\..+)"
)
_OPENMMLAB = {  # within a layer, timm's → mmpretrain's
    "norm1": "ln1",
    "norm2": "ln2",
    "mlp.fc1": "ffn.layers.0.0",
    "mlp.fc2": "ffn.layers.1",
}
_HEAD_WIDTH = 64  # of every published ViT but MoCo v3's small one


@dataclass(frozen=True)
class ViTShape(Shape):
    """What tells one ViT from another.

    Attributes:
        width: Channels of a token.
        depth: Number of layers.
        hidden: Channels within an MLP.
        patch: Side of a patch in pixels.
        image: Side of the images that the positions are of.
        in_channels: Number of channels of the images.
        num_heads: Heads of its attention, which no weight tells; None: one for every 64 channels,
            as all published ViTs but MoCo v3's small one have.
    """

    width: int
    depth: int
    hidden: int
    patch: int
    image: int
    in_channels: int = 3
    num_heads: int | None = None

    def __str__(self) -> str:
        heads = "" if self.num_heads is None else f", {self.num_heads} heads"
        return f"ViT of {self.depth} layers of {self.width}{heads}, patches of {self.patch}"

    @property
    def heads(self) -> int:
        """Heads of its attention.

        Raises:
            HCSCError: nobody said how many, and the width does not suggest it; or they do not
                divide the width.
        """
        heads = self.num_heads
        if heads is None and self.width % _HEAD_WIDTH:
            raise HCSCError(
                f"it is a {self}, whose weights do not tell how many heads it has; say --heads"
            )
        heads = self.width // _HEAD_WIDTH if heads is None else heads
        if heads < 1 or self.width % heads:
            raise HCSCError(f"{heads} heads do not divide the {self.width} channels of a token")
        return heads

    @property
    def out_channels(self) -> int:
        return self.width

    def config(self) -> dict:
        return dict(
            type="VisionTransformer",
            arch=dict(
                embed_dims=self.width,
                num_layers=self.depth,
                num_heads=self.heads,
                feedforward_channels=self.hidden,
            ),
            img_size=self.image,
            patch_size=self.patch,
            in_channels=self.in_channels,
        )

    @property
    def timm_name(self) -> str:
        return "vit_base_patch16_224"

    def timm_options(self) -> dict:
        """What makes any of timm's ViTs this one."""
        return dict(
            embed_dim=self.width,
            depth=self.depth,
            num_heads=self.heads,
            mlp_ratio=self.hidden / self.width,
            patch_size=self.patch,
            img_size=self.image,
            in_chans=self.in_channels,
        )

    @property
    def pooled(self) -> dict:
        return {"out_type": "cls_token"}

    @property
    def whole(self) -> dict:
        return {"out_type": "raw"}

    def openmmlab_name(self, name: str) -> str:
        return to_mmpretrain(name)

    def template(self) -> dict[str, Tensor]:
        """Name → tensor of the network's shapes, in which heads have no part."""
        return rename_vit(replace(self, num_heads=1).build().state_dict())

    def fit(self, images: Tensor) -> Tensor:
        """Images of the size that the positions are of."""
        size = (self.image, self.image)
        return F.interpolate(images, size, mode="bilinear", antialias=True)[:, : self.in_channels]


def is_vit_name(name: str) -> bool:
    """Whether a tensor belongs to the backbone of a ViT, by timm's name."""
    return _TIMM.fullmatch(name) is not None


def to_mmpretrain(name: str) -> str:
    """timm's name → mmpretrain's."""
    name = name.replace("patch_embed.proj.", "patch_embed.projection.")
    name = re.sub(r"^norm\.", "ln1.", name)
    match = re.match(r"blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.(\w+)$", name)
    if match is not None:
        return f"layers.{match[1]}.{_OPENMMLAB[match[2]]}.{match[3]}"
    return re.sub(r"^blocks\.", "layers.", name)


def to_timm(name: str) -> str:
    """mmpretrain's name → timm's; timm's own stay as they are."""
    name = name.replace("patch_embed.projection.", "patch_embed.proj.")
    name = re.sub(r"^ln1\.", "norm.", name)
    for theirs, ours in _OPENMMLAB.items():
        name = re.sub(
            rf"^layers\.(\d+)\.{re.escape(ours)}\.(\w+)$", rf"blocks.\1.{theirs}.\2", name
        )
    return re.sub(r"^layers\.", "blocks.", name)


def rename_vit(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A backbone's weights by timm's names, if they are a ViT's of mmpretrain; any others as they
    are.
    """
    if "layers.0.attn.qkv.weight" not in weights:
        return dict(weights)
    return {to_timm(name): value for name, value in weights.items()}


def recognize_vit(backbone: Mapping[str, Tensor], num_heads: int | None = None) -> ViTShape:
    """The ViT whose weights these seem to be.

    Args:
        backbone: timm's names → weights.
        num_heads: See :class:`ViTShape`.

    Raises:
        HCSCError: it has no class token, or positions of no square.
    """
    patch, positions = backbone.get("patch_embed.proj.weight"), backbone.get("pos_embed")
    mlp = backbone.get("blocks.0.mlp.fc1.weight")
    if "cls_token" not in backbone or positions is None or patch is None or mlp is None:
        lacking = next(
            name
            for name in (
                "cls_token",
                "pos_embed",
                "patch_embed.proj.weight",
                "blocks.0.mlp.fc1.weight",
            )
            if name not in backbone
        )
        raise HCSCError(f"the backbone is no plain ViT: {lacking} is missing")
    grid = round((positions.shape[1] - 1) ** 0.5)
    if positions.ndim != 3 or patch.ndim != 4 or grid**2 + 1 != positions.shape[1] or mlp.ndim != 2:
        raise HCSCError(
            f"the backbone is no plain ViT: its positions, {tuple(positions.shape)}, are not those "
            "of a class token and a square of patches"
        )
    numbers = {int(name.split(".")[1]) for name in backbone if name.startswith("blocks.")}
    side = patch.shape[-1]
    return ViTShape(
        patch.shape[0], max(numbers) + 1, mlp.shape[0], side, grid * side, patch.shape[1], num_heads
    )
