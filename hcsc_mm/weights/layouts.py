"""Which layout a checkpoint has, and which part of a model each of its tensors is.

A layout is a function from a name in the file to a part and the name within that part, or None for
what belongs to no part. Parts and the names within them are the same for all layouts:

    query.backbone, key.backbone        torchvision's names of a ResNet: conv1.weight,
                                        layer1.0.bn1.running_mean, ...; timm's of
                                        EfficientNet-Lite0: conv_stem.weight, ...
    query.projection, key.projection    those of ProjectionNeck: mlp.0.weight, ...
    queue                               those of NegativeQueue: keys (Q, D), pointer ()

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
from .efficientnet_lite import EfficientNetLite0, to_timm

Weights = dict[str, Tensor]
Place = tuple[str, str]

_RESNET = re.compile(r"(conv1|bn1|layer[1-4])\.")
_EFFICIENTNET = re.compile(r"(conv_stem|bn[12]|blocks\.\d+\.\d+|conv_head)\.")
_TORCHVISION = re.compile(r"(?:layer([1-4])\.(\d+)\.)?(conv|bn|downsample\.)(\d)\.(\w+)")
_DETECTRON2 = re.compile(
    r"(?:stem|res(?P<res>[2-5])\.(?P<block>\d+))\.(?P<layer>conv[123]|shortcut)\.(?P<norm>norm\.)?(?P<tensor>\w+)"
)


@dataclass(frozen=True)
class Contents:
    """A checkpoint's tensors, sorted.

    Attributes:
        layout: The layout that they were read as.
        parts: Part → name within it → tensor; only parts that the file has.
        origins: Part → the names in the file.
        rest: Names in the file that belong to no part.
    """

    layout: str
    parts: dict[str, Weights]
    origins: dict[str, list[str]]
    rest: list[str]


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
            inner = name.removeprefix(prefix).removeprefix(EfficientNetLite0.prefix)
            return part, inner_prefix + inner
    return (
        ("queue", name.removeprefix("queue.")) if name in ("queue.keys", "queue.pointer") else None
    )


def place_torchvision(name: str) -> Place | None:
    """Plain names: torchvision, and SwAV, whose additional padding layer makes the same stem and
    has no weights.
    """
    return ("query.backbone", name) if _RESNET.match(name) else None


def place_timm(name: str) -> Place | None:
    """timm: torchvision's names of a ResNet, its own ones of an EfficientNet."""
    return ("query.backbone", name) if _EFFICIENTNET.match(name) else place_torchvision(name)


def place_efficientnet_lite(name: str) -> Place | None:
    """The package ``efficientnet_lite_pytorch``, whose names become timm's."""
    inner = to_timm(name)
    return None if inner is None else ("query.backbone", inner)


def place_detectron2(name: str) -> Place | None:
    match = _DETECTRON2.fullmatch(name)
    if match is None:
        return None
    layer, norm, tensor = match["layer"], match["norm"], match["tensor"]
    if layer == "shortcut":
        inner = f"downsample.{1 if norm else 0}.{tensor}"
    else:
        inner = f"{layer.replace('conv', 'bn') if norm else layer}.{tensor}"
    stage = f"layer{int(match['res']) - 1}.{match['block']}." if match["res"] else ""
    return "query.backbone", stage + inner


def to_detectron2(name: str) -> str:
    """torchvision's name of a backbone's tensor → detectron2's; the inverse of
    :func:`place_detectron2`.
    """
    stage, block, kind, number, tensor = _TORCHVISION.fullmatch(name).groups()
    prefix = f"res{int(stage) + 1}.{block}" if stage else "stem"
    layer = {
        "conv": f"conv{number}",
        "bn": f"conv{number}.norm",
        "downsample.": "shortcut" if number == "0" else "shortcut.norm",
    }[kind]
    return f"{prefix}.{layer}.{tensor}"


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


def sort_weights(weights: Mapping[str, Tensor], layout: str | None = None) -> Contents:
    """Find out what each tensor of a file is.

    Args:
        weights: The file's tensors; a leading ``module.``, which DistributedDataParallel adds,
            counts for nothing.
        layout: A key of :data:`LAYOUTS`, or None to detect it.

    Raises:
        HCSCError: there is no backbone of this layout, or of any; names the first tensors that are
            there instead. Or tensors are there both with and without ``module.``.
    """
    names = {name.removeprefix("module."): name for name in weights}
    if len(names) < len(weights):
        raise HCSCError(
            f"{len(weights) - len(names)} of the tensors are there twice, with and without a "
            "leading module.; keep one of each"
        )
    detected = detect_layout(names)
    if layout is None:
        layout = detected
    if layout is None:
        raise HCSCError(
            "there is no EfficientNet-Lite0 and no ResNet backbone of a known layout; the tensors "
            f"are {_some(weights)}"
        )
    parts: dict[str, Weights] = {}
    origins: dict[str, list[str]] = {}
    rest = []
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
    return Contents(layout, parts, origins, rest)


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
