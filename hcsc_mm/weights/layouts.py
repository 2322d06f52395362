"""Which layout a checkpoint has, and which part of a model each of its tensors is.

A layout is a function from a name in the file to a part and the name within that part, or None for
what belongs to no part. Parts and the names within them are the same for all layouts:

    query.backbone, key.backbone
        torchvision's names of a ResNet: conv1.weight, layer1.0.bn1.running_mean, ...
        timm's of a ViT: cls_token, blocks.0.attn.qkv.weight, ...
        timm's of a ConvNeXt: stem.0.weight, stages.0.blocks.0.conv_dw.weight, ...
        timm's of EfficientNet-Lite0: conv_stem.weight, blocks.0.0.conv_dw.weight, ...
    query.projection, key.projection
        those of ProjectionNeck: mlp.0.weight, ...
    queue
        those of NegativeQueue: keys (Q, D), pointer ()

Sources of the names: the released code of HCSC, MoCo (``moco/builder.py``), PCL
(``pcl/builder.py``) and SwAV (``src/resnet50.py``), the conversion to detectron2 that MoCo
publishes, and the packages timm and ``efficientnet_lite_pytorch``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import HCSCError
from .convnext import is_convnext_name, rename_convnext
from .detectron2_names import from_detectron2, to_detectron2
from .efficientnet_lite import TIMM_WRAPPER, is_timm_name, to_timm
from .roots import (
    common_prefixes,
    describe_prefixes,
    find_roots,
    is_resnet_name,
    plain_name,
)
from .vit import is_vit_name, rename_vit

Weights = dict[str, Tensor]
Place = tuple[str, str]

# Families of backbones whose names follow in a checkpoint of OpenMMLab.
_OPENMMLAB = {
    "backbone.": ("torchvision", "mmpretrain", "convnext_openmmlab"),
    f"backbone.{TIMM_WRAPPER}": ("torchvision", "timm", "efficientnet", "convnext"),
}


@dataclass(frozen=True)
class Contents:
    """A checkpoint's tensors, sorted.

    Attributes:
        layout: The layout that they were read as.
        parts: Part → name within it → tensor; only parts that the file has.
        origins: Part → the names in the file.
        rest: Names in the file that belong to no part.
        prefix: What stands before the names of the layout, without wrappers.
    """

    layout: str
    parts: dict[str, Weights]
    origins: dict[str, list[str]]
    rest: list[str]
    prefix: str = ""


def place_moco(name: str) -> Place | None:
    """HCSC, MoCo and PCL: a ResNet with the projection for its ``fc``, twice, and the queue."""
    for prefix, encoder in (("encoder_q.", "query"), ("encoder_k.", "key")):
        inner = name.removeprefix(prefix)
        if inner != name:
            if not inner.startswith("fc."):
                return f"{encoder}.backbone", inner
            layer = re.sub(
                r"^fc\.(?=weight$|bias$)", "fc.0.", inner
            )  # MoCo v1 and PCL v1: a single layer
            return f"{encoder}.projection", layer.replace("fc.", "mlp.", 1)
    return {"queue": ("queue", "keys"), "queue_ptr": ("queue", "pointer")}.get(name)


def place_openmmlab(name: str) -> Place | None:
    """What :class:`HCSC` saves, and every other model of OpenMMLab as far as its names agree."""
    for prefix, part, inner_prefix in (
        ("backbone.", "query.backbone", ""),
        ("neck.mlp.", "query.projection", "mlp."),
        ("momentum_encoder.encoder.0.", "key.backbone", ""),
        ("momentum_encoder.encoder.1.mlp.", "key.projection", "mlp."),
    ):
        if name.startswith(prefix):
            inner = name.removeprefix(prefix).removeprefix(TIMM_WRAPPER)
            return part, inner_prefix + inner
    return (
        ("queue", name.removeprefix("queue.")) if name in ("queue.keys", "queue.pointer") else None
    )


def place_torchvision(name: str) -> Place | None:
    """Plain names: torchvision, timm, and SwAV, whose additional padding layer makes the same stem
    and has no weights.
    """
    return ("query.backbone", name) if is_resnet_name(name) else None


def place_timm(name: str) -> Place | None:
    """Plain names of a ResNet, a ViT, a ConvNeXt or an EfficientNet."""
    known = is_vit_name(name) or is_timm_name(name) or is_convnext_name(name)
    return place_torchvision(name) or (("query.backbone", name) if known else None)


def place_efficientnet_lite(name: str) -> Place | None:
    """The package ``efficientnet_lite_pytorch``, whose names become timm's."""
    inner = to_timm(name)
    return None if inner is None else ("query.backbone", inner)


def place_detectron2(name: str) -> Place | None:
    inner = from_detectron2(name)
    return None if inner is None else ("query.backbone", inner)


LAYOUTS: dict[str, Callable[[str], Place | None]] = {
    "hcsc": place_moco,
    "moco": place_moco,
    "pcl": place_moco,
    "swav": place_torchvision,
    "hcsc_mm": place_openmmlab,
    "mmpretrain": place_openmmlab,
    "mmdet": place_openmmlab,
    "torchvision": place_torchvision,
    "timm": place_timm,
    "detectron2": place_detectron2,
    "efficientnet_lite": place_efficientnet_lite,
}


def detect_layout(names: Iterable[str]) -> str | None:
    """The layout by its tell-tale names; None if there is no backbone of any known layout.

    Layouts with the same names share one answer: ``moco`` stands for PCL too, ``mmpretrain`` for
    mmdet, ``torchvision`` for timm's ResNets.
    """
    names = set(names)
    if any(
        name.startswith("backbone.") for name in names
    ):  # first: mmpretrain's MoCo has an encoder_k beside it
        own = any(name.startswith(("momentum_encoder.", "queue.keys")) for name in names)
        return "hcsc_mm" if own else "mmpretrain"
    if any(name.startswith(("encoder_q.", "encoder_k.")) for name in names):
        return "hcsc" if "queue_index" in names else "moco"
    if any(place_detectron2(name) for name in names):
        return "detectron2"
    if "_conv_stem.weight" in names:
        return "efficientnet_lite"
    if "conv_stem.weight" in names:
        return "timm"
    if any(name.startswith("layer1.") for name in names):
        return (
            "swav"
            if any(name.startswith(("projection_head.", "prototypes.")) for name in names)
            else "torchvision"
        )
    return None


def sort_weights(
    weights: Mapping[str, Tensor], layout: str | None = None, prefix: str | None = None
) -> Contents:
    """Find out what each tensor of a file is.

    Args:
        weights: The file's tensors; what wrappers put into names (``module.``, ``_orig_mod.``, …)
            counts for nothing, wherever it stands.
        layout: A key of :data:`LAYOUTS`, or None to detect it.
        prefix: Only names that begin so count; None: what stands before a known layout is found.

    Raises:
        HCSCError: there is no backbone of this layout, or of any, or there are several; names the
            first tensors that are there instead, and what names begin with. Or tensors are there
            both with and without a wrapper.
    """
    names = _without_wrappers(weights)
    outside: list[str] = []
    if prefix is not None:
        names, outside = _under(names, plain_name(prefix.rstrip(".") + "."), weights)
    detected, before = _detect_within(names)
    if layout is None and detected is None:
        return _sort_by_roots(names, outside, weights)
    if before and layout in (None, detected):
        names, more = _under(names, before, weights)
        outside = outside + more
    layout = layout or detected
    parts: dict[str, Weights] = {}
    origins: dict[str, list[str]] = {}
    rest = list(outside)
    for name, origin in names.items():
        place = LAYOUTS[layout](name)
        if place is None:
            rest.append(origin)
            continue
        part, inner = place
        parts.setdefault(part, {})[inner] = weights[origin]
        origins.setdefault(part, []).append(origin)
    if not {"query.backbone", "key.backbone"} & parts.keys():
        advice = f"; it looks like --from {detected}" if detected else ""
        raise HCSCError(
            f"there is no backbone of the layout {layout}{advice}; the tensors are {_some(weights)}"
        )
    if LAYOUTS[layout] is place_moco and "queue" in parts:
        parts["queue"] = _queue_by_rows(parts["queue"])
    return Contents(layout, _canonical(parts), origins, rest, _shown(before, prefix))


def _without_wrappers(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Name without wrappers → name in the file."""
    names = {plain_name(name): name for name in weights}
    if len(names) < len(weights):
        raise HCSCError(
            f"{len(weights) - len(names)} of the tensors are there twice, with and without a "
            "leading module. or another wrapper; keep one of each"
        )
    return names


def _under(
    names: Mapping[str, str], prefix: str, weights: Mapping[str, Tensor]
) -> tuple[dict[str, str], list[str]]:
    """Names below a prefix, without it, and those in the file of the others."""
    found = {
        name.removeprefix(prefix): origin
        for name, origin in names.items()
        if name.startswith(prefix)
    }
    if not found:
        raise HCSCError(
            f"no tensor's name begins with {prefix}; {describe_prefixes(names)}; the tensors are "
            f"{_some(weights)}"
        )
    taken = set(found.values())
    return found, [origin for origin in names.values() if origin not in taken]


def _detect_within(names: Mapping[str, str]) -> tuple[str | None, str]:
    """A known layout, and what stands before its names; (None, '') where backbones have to be told
    by what they are called.
    """
    roots = find_roots(names)
    for before in ["", *common_prefixes(roots)]:
        inner = [name.removeprefix(before) for name in names if name.startswith(before)]
        layout = detect_layout(inner)
        families = {root.prefix.removeprefix(before): root.family for root in roots}
        if layout in ("mmpretrain", "hcsc_mm") and roots:
            fits = any(families.get(at) in known for at, known in _OPENMMLAB.items())
        else:
            fits = layout is not None
        if fits:
            return layout, before
    return None, ""


def _sort_by_roots(
    names: Mapping[str, str], outside: list[str], weights: Mapping[str, Tensor]
) -> Contents:
    """Backbones that are told by their own names, below whatever prefix: the one that is a momentum
    encoder's, a teacher's or a target's by its prefix is the key encoder's.
    """
    roots = find_roots(names)
    if not roots:
        raise HCSCError(
            "there is no EfficientNet-Lite0, no ConvNeXt, no ViT and no ResNet backbone of a known "
            f"layout; the tensors are {_some(weights)}; {describe_prefixes(names)}"
        )
    parts: dict[str, Weights] = {}
    origins: dict[str, list[str]] = {}
    for role in ("query", "key"):
        ours = [root for root in roots if root.role == role]
        if len(ours) > 1:
            prefixes = ", ".join(root.prefix or "''" for root in ours)
            raise HCSCError(
                f"there are {len(ours)} backbones, under {prefixes}; choose one by --prefix"
            )
        for root in ours:
            part = f"{role}.backbone"
            parts[part], origins[part] = {}, []
            for name, origin in names.items():
                inner = root.inner(name)
                if inner is not None:
                    parts[part][inner] = weights[origin]
                    origins[part].append(origin)
    taken = {origin for part in origins.values() for origin in part}
    rest = outside + [origin for origin in names.values() if origin not in taken]
    prefixes = " and ".join(root.prefix for root in roots if root.prefix)
    return Contents(roots[0].layout, parts, origins, rest, prefixes)


def _canonical(parts: dict[str, Weights]) -> dict[str, Weights]:
    """Backbones by the names of :mod:`roots`: timm's for a ViT and a ConvNeXt."""
    return {
        part: rename_convnext(rename_vit(weights)) if part.endswith("backbone") else weights
        for part, weights in parts.items()
    }


def _shown(before: str, prefix: str | None) -> str:
    given = "" if prefix is None else f"{prefix.rstrip('.')}."
    return given + before


def _queue_by_rows(queue: Weights) -> Weights:
    """MoCo's queue holds keys as columns (D, Q) and its pointer in a vector of length 1."""
    return {
        name: value.t().contiguous() if value.ndim == 2 else value.reshape(-1)[0]
        for name, value in queue.items()
        if value.numel()
    }


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return (
        ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        if names
        else "none at all"
    )


__all__ = [
    "LAYOUTS",
    "Contents",
    "Weights",
    "detect_layout",
    "place_detectron2",
    "sort_weights",
    "to_detectron2",
]
