"""Backbones below whatever prefix, told by the names of their blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .convnext import MARK as CONVNEXT_MARK
from .convnext import OPENMMLAB_MARK, PUBLISHED_MARK, is_convnext_name
from .convnext import to_timm as convnext_to_timm
from .detectron2_names import from_detectron2
from .efficientnet_lite import is_timm_name
from .efficientnet_lite import to_timm as efficientnet_to_timm
from .vit import is_vit_name, to_timm

# What wrappers put into names: DistributedDataParallel, torch.compile, FSDP, activation
# checkpointing, Fabric.
_WRAPPERS = {
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
}
# What the second encoder of a method is called by.
_KEY = re.compile(r"(^|[._])(k|key|momentum|teacher|target|ema)([._]|$)")
_RESNET = re.compile(r"(conv1|bn1|layer[1-4])\.")
_SEQUENTIAL = re.compile(r"(?:(?P<before>.*)\.)?(?P<place>\d+)\.0\.conv1\.weight")
_MARKS = {  # family → a tensor that each of its backbones has
    "torchvision": "layer1.0.conv1.weight",
    "detectron2": "res2.0.conv1.weight",
    "timm": "blocks.0.attn.qkv.weight",
    "mmpretrain": "layers.0.attn.qkv.weight",
    "efficientnet": "blocks.0.0.conv_dw.weight",
    "efficientnet_lite": "_blocks.0._depthwise_conv.weight",
    "convnext": CONVNEXT_MARK,
    "convnext_openmmlab": OPENMMLAB_MARK,
    "convnext_published": PUBLISHED_MARK,
}
_RENAMED = {"detectron2": from_detectron2, "efficientnet_lite": efficientnet_to_timm}
_LAYOUTS = {  # of families that are not called by their layout
    "sequential": "torchvision",
    "efficientnet": "timm",
    "convnext": "timm",
    "convnext_openmmlab": "mmpretrain",
    "convnext_published": "timm",
}
_MOST_SHOWN = 6


@dataclass(frozen=True)
class Root:
    """Where a backbone begins.

    Attributes:
        prefix: What the names of its tensors begin with.
        family: Whose names follow: 'torchvision', 'detectron2' (both ResNets), 'timm', 'mmpretrain'
            (both ViTs), 'efficientnet' (timm's names), 'efficientnet_lite' (the package's),
            'convnext' (timm's), 'convnext_openmmlab', 'convnext_published' (its authors'), or
            'sequential': torchvision's modules by their places, as in
            ``nn.Sequential(*resnet.children())``.
        places: Places, in a sequential one, of the stem's convolution, its norm and the four
            stages.
    """

    prefix: str
    family: str
    places: tuple[str, ...] = field(default=())

    @property
    def role(self) -> str:
        """'key' for a momentum encoder, a teacher or a target by its prefix, else 'query'."""
        return "key" if _KEY.search(self.prefix.rstrip(".")) else "query"

    @property
    def layout(self) -> str:
        return _LAYOUTS.get(self.family, self.family)

    def inner(self, name: str) -> str | None:
        """What a name is within the backbone: torchvision's name of a ResNet's tensor, timm's of a
        ViT's, a ConvNeXt's or an EfficientNet's; None for what is none of it.
        """
        if not name.startswith(self.prefix):
            return None
        rest = name.removeprefix(self.prefix)
        if self.family == "sequential":
            place, _, tensor = rest.partition(".")
            modules = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
            known = dict(zip(self.places, modules, strict=True))
            return f"{known[place]}.{tensor}" if place in known else None
        if self.family in ("timm", "mmpretrain"):
            renamed = to_timm(rest) if self.family == "mmpretrain" else rest
            return renamed if is_vit_name(renamed) else None
        if self.family.startswith("convnext"):
            renamed = rest if self.family == "convnext" else convnext_to_timm(rest)
            return renamed if is_convnext_name(renamed) else None
        if self.family == "efficientnet":
            return rest if is_timm_name(rest) else None
        if self.family in _RENAMED:
            return _RENAMED[self.family](rest)
        return rest if is_resnet_name(rest) else None


def is_resnet_name(name: str) -> bool:
    """Whether a tensor belongs to the backbone of a ResNet, by torchvision's name."""
    return _RESNET.match(name) is not None


def plain_name(name: str) -> str:
    """A tensor's name without what wrappers put there, in any order and as often as it comes."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def find_roots(names: Iterable[str]) -> list[Root]:
    """Every backbone among the tensors of a file, in their order."""
    names = list(names)
    known = set(names)
    roots: dict[str, Root] = {}
    for name in names:
        for family, mark in _MARKS.items():
            if name == mark or name.endswith(f".{mark}"):
                prefix = name.removesuffix(mark)
                roots.setdefault(prefix, Root(prefix, family))
        match = _SEQUENTIAL.fullmatch(name)
        if match is not None:
            prefix = f"{match['before']}." if match["before"] is not None else ""
            places = _places(prefix, known)
            if places is not None:
                roots.setdefault(prefix, Root(prefix, "sequential", places))
    return list(roots.values())


def _places(prefix: str, names: set[str]) -> tuple[str, ...] | None:
    """Of a stem's convolution and norm and of four stages among numbered modules."""
    inner = [name.removeprefix(prefix).split(".") for name in names if name.startswith(prefix)]
    norms = {parts[0] for parts in inner if parts[1:] == ["running_mean"]}
    plain = {parts[0] for parts in inner if parts[1:] == ["weight"]}
    stages = {parts[0] for parts in inner if parts[1:] == ["0", "conv1", "weight"]}
    first = [sorted(found, key=int) for found in (plain - norms, norms, stages)]
    if not all(place.isdecimal() for found in first for place in found):
        return None
    if len(first[0]) < 1 or len(first[1]) < 1 or len(first[2]) != 4:
        return None
    return (first[0][0], first[1][0], *first[2])


def common_prefixes(roots: Sequence[Root]) -> list[str]:
    """What all backbones' names begin with, from the shortest to all of it."""
    if not roots:
        return []
    parts = [root.prefix.split(".")[:-1] for root in roots]
    common = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return [".".join(common[:end]) + "." for end in range(1, len(common) + 1)]


def describe_prefixes(names: Iterable[str]) -> str:
    """What names begin with, and how many do."""
    counts = Counter(name.split(".")[0] + ("." if "." in name else "") for name in names)
    shown = ", ".join(f"{start} ({number})" for start, number in counts.most_common(_MOST_SHOWN))
    return f"their names begin with {shown or 'nothing'}" + (
        f" and {len(counts) - _MOST_SHOWN} more" if len(counts) > _MOST_SHOWN else ""
    )
