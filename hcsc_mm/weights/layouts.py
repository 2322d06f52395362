"""Which layout a checkpoint has, and which part of a model each name stands for.

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
from collections.abc import Callable, Iterable

from torch import Tensor

from .convnext import is_convnext_name
from .detectron2_names import from_detectron2, to_detectron2
from .efficientnet_lite import TIMM_WRAPPER, is_timm_name, to_timm
from .roots import is_resnet_name
from .vit import is_vit_name

Weights = dict[str, Tensor]
Place = tuple[str, str]


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


__all__ = [
    "LAYOUTS",
    "Weights",
    "detect_layout",
    "place_detectron2",
    "to_detectron2",
]
