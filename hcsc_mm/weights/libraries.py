"""How the users of each library load a file, for the verification to do the same."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ..errors import HCSCError
from ..utils.text import first_line
from .files import read_checkpoint
from .layouts import Weights
from .quiet import quiet
from .targets import Model

Network = Callable[[Tensor], Tensor]


def why_not_imported(module: str) -> str | None:
    """Why a library cannot be asked; None if it can."""
    library = module.split(".")[0]
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:  # a folder of that name is no library
        return f"{library} is not installed"
    try:
        with quiet():
            importlib.import_module(module)
    except (
        ImportError,
        AssertionError,
        RuntimeError,
        OSError,
    ) as error:  # mmdet asserts on the version of mmcv, and needs its operators
        return f"{library} cannot be imported ({first_line(error)})"
    return None


def _in_hcsc(path: Path, model: Model) -> Network:
    """Our own model takes all of the file, and the file lacks only what the source lacked."""
    hcsc = _hcsc_for(model)
    missing, unexpected = hcsc.load_state_dict(read_checkpoint(path).weights, strict=False)
    absent = ("neck.", "momentum_encoder.encoder.1.") if not model.projection else ()
    absent += () if model.key[0] else ("momentum_encoder.",)
    absent += () if model.queue else ("queue.",)
    lost = unexpected + [name for name in missing if not name.startswith(absent)]
    if lost:
        raise HCSCError(
            f"verification failed: {len(lost)} names do not fit the HCSC model ({lost[0]})"
        )
    hcsc.eval()
    return lambda images: hcsc.backbone(images)[-1]


def _hcsc_for(model: Model) -> nn.Module:
    """An HCSC model of the weights' sizes."""
    neck = dict(type="hcsc_mm.ProjectionNeck", in_channels=model.shape.out_channels)
    if model.projection:
        matrices = list(model.projection.values())[::2]
        neck.update(
            hid_channels=matrices[0].shape[0],
            out_channels=matrices[-1].shape[0],
            num_layers=len(matrices),
        )
    elif model.queue:
        neck.update(out_channels=model.queue["keys"].shape[1])
    cfg = model.shape.config()
    return MODELS.build(
        dict(
            type="hcsc_mm.HCSC",
            backbone={**cfg, "type": f"mmpretrain.{cfg['type']}", **model.shape.whole},
            neck=neck,
            head=dict(type="hcsc_mm.HCSCHead"),
            queue_len=len(model.queue["keys"]) if model.queue else 1,
        )
    )


def _in_mmpretrain(path: Path, model: Model) -> Network:
    backbone = model.shape.build(
        init_cfg=dict(type="Pretrained", checkpoint=str(path), prefix="backbone.")
    )
    backbone.init_weights()
    return lambda images: backbone(images)[-1]


def _in_mmdet(path: Path, model: Model) -> Network:
    from mmdet.registry import MODELS as DETECTORS

    backbone = DETECTORS.build(
        dict(
            type="mmdet.ResNet",
            depth=model.shape.depth,
            init_cfg=dict(type="Pretrained", checkpoint=str(path), prefix="backbone."),
        )
    )
    backbone.init_weights()
    backbone.eval()
    return lambda images: backbone(images)[-1]


def _in_torchvision(path: Path, model: Model) -> Network:
    network = getattr(torchvision.models, f"resnet{model.shape.depth}")()
    missing, unexpected = network.load_state_dict(_load_tensors(path), strict=False)
    if set(missing) != {"fc.weight", "fc.bias"} or unexpected:
        raise HCSCError(
            f"verification failed: torchvision misses {missing[:1]} and does not know "
            f"{unexpected[:1]}"
        )
    return nn.Sequential(*list(network.eval().children())[:-2])  # without pooling and classifier


def _load_tensors(path: Path) -> Weights:
    """As a user of torchvision would."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


def _in_timm(path: Path, model: Model) -> Network:
    import timm

    network = timm.create_model(
        model.shape.timm_name,
        num_classes=0,
        checkpoint_path=os.fspath(path),
        **model.shape.timm_options(),
    )
    return model.shape.timm_features(network.eval())


def _in_detectron2(path: Path, model: Model) -> Network:
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.layers import ShapeSpec
    from detectron2.modeling.backbone import build_resnet_backbone

    cfg = get_cfg()
    resnet = cfg.MODEL.RESNETS
    resnet.DEPTH, resnet.NORM, resnet.STRIDE_IN_1X1, resnet.OUT_FEATURES = (
        model.shape.depth,
        "BN",
        False,
        ["res5"],
    )
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    if model.shape.depth < 50:
        resnet.RES2_OUT_CHANNELS = 64
    backbone = build_resnet_backbone(cfg, ShapeSpec(channels=3))
    DetectionCheckpointer(backbone).load(os.fspath(path))
    backbone.eval()
    return lambda images: backbone(images)["res5"]


# Target → what to import of its library, and how the library's users load a file; (B, 3, H, W) →
# (B, C, h, w).
LOADERS: dict[str, tuple[str, Callable[[Path, Model], Network]]] = {
    "hcsc_mm": ("hcsc_mm", _in_hcsc),
    "mmpretrain": ("mmpretrain", _in_mmpretrain),
    "mmdet": ("mmdet.models", _in_mmdet),
    "torchvision": ("torchvision", _in_torchvision),
    "timm": ("timm", _in_timm),
    "detectron2": ("detectron2.modeling", _in_detectron2),
}
