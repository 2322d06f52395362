"""What each tensor of a checkpoint is: a backbone's, a projection's, the queue's, or nothing known.

:mod:`layouts` says which part a name stands for; here they are looked for below whatever stands
before them, and sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ..errors import HCSCError
from .convnext import rename_convnext
from .efficientnet_lite import TIMM_WRAPPER
from .layouts import LAYOUTS, Weights, detect_layout, place_moco
from .roots import common_prefixes, describe_prefixes, find_roots, plain_name
from .vit import rename_vit

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
    return Contents(roots[0].layout, _canonical(parts), origins, rest, prefixes)


def _canonical(parts: dict[str, Weights]) -> dict[str, Weights]:
    """Backbones by the names of :mod:`roots` and in their shapes: timm's for a ViT and a
    ConvNeXt.
    """
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
