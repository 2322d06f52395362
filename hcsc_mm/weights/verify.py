"""Whether a library makes of a written file the features that the source's weights make."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from mmpretrain.registry import MODELS
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn

from ..dependencies import first_line
from ..errors import HCSCError
from .files import read_checkpoint
from .layouts import Weights, sort_weights
from .targets import Model

TOLERANCE = 1e-5  # of the largest feature, or of 1 if that is smaller
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB
Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Verification:
    """What a comparison came to.

    Attributes:
        num_tensors: How many tensors were read back and are equal to what was to be written.
        features: Those of the library; None if it cannot be imported here.
        obstacle: Why it cannot; None if it can.
    """

    num_tensors: int
    features: FeatureDifference | None
    obstacle: str | None


@dataclass(frozen=True)
class FeatureDifference:
    """Attributes: the largest absolute difference of a feature, and the largest absolute feature, of the source's weights."""

    difference: float
    largest: float

    @property
    def allowed(self) -> float:
        return TOLERANCE * max(1.0, self.largest)


def verify(path: Path, layout: str, model: Model, image: str | None = None) -> Verification:
    """Load a written file into the library that it is for, and compare.

    Args:
        path: The file.
        layout: The target's name, see :data:`LOADERS`.
        model: What the file was made from.
        image: Path of the image to compare features of; scikit-learn's photograph of a Chinese temple by default.

    Raises:
        HCSCError: a tensor or a feature differs, or the library cannot load the file; or there is no such image.
    """
    num_tensors = compare_tensors(path, layout, model)
    obstacle = _why_not_imported(LOADERS[layout][0])
    return Verification(num_tensors, None if obstacle else compare_features(path, layout, model, load_image(image)), obstacle)


def compare_features(path: Path, layout: str, model: Model, images: Tensor) -> FeatureDifference:
    """The last feature map that the target's library computes with a file, against mmpretrain's with the source's weights.

    Args:
        path, layout, model: As in :func:`verify`.
        images: (B, 3, H, W), normalised.

    Raises:
        HCSCError: they differ, or the library cannot load the file.
    """
    reference = model.shape.build()
    reference.load_state_dict(model.backbone)
    try:
        with torch.no_grad(), _quiet():
            expected, features = reference(images)[-1], LOADERS[layout][1](path, model)(images)  # (B, C, h, w)
    except (RuntimeError, KeyError, ImportError, AttributeError, TypeError) as error:
        raise HCSCError(f"verification failed: {layout} cannot load the file ({type(error).__name__}: {first_line(error)})") from error
    if features.shape != expected.shape:
        raise HCSCError(f"verification failed: features of shape {tuple(features.shape)} in {layout}, {tuple(expected.shape)} before")
    result = FeatureDifference(float((features - expected).abs().max()), float(expected.abs().max()))
    if not result.difference <= result.allowed:  # so that NaN fails, too
        raise HCSCError(f"verification failed: features in {layout} differ by up to {result.difference:.3g} from the source's")
    return result


def _why_not_imported(module: str) -> str | None:
    """Why a library cannot be asked; None if it can."""
    library = module.split(".")[0]
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:  # a folder of that name is no library
        return f"{library} is not installed"
    try:
        with _quiet():
            importlib.import_module(module)
    except (ImportError, AssertionError, RuntimeError) as error:  # mmdet asserts on the version of mmcv, and needs its operators
        return f"{library} cannot be imported ({first_line(error)})"
    return None


def load_image(path: str | None) -> Tensor:
    """(1, 3, 224, 224): shorter side 256, centre crop 224, ImageNet's mean and deviation."""
    if path is None:
        from sklearn.datasets import load_sample_image

        image = Image.fromarray(load_sample_image("china.jpg"))
    else:
        try:
            image = Image.open(path).convert("RGB")
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise HCSCError(f"cannot read the image {path} ({first_line(error)}); leave out --image for a bundled one") from None
    scale = 256 / min(image.size)
    image = image.resize([max(256, round(side * scale)) for side in image.size], Image.Resampling.BILINEAR)
    left, top = ((side - 224) // 2 for side in image.size)
    pixels = torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).float() / 255  # (224, 224, 3)
    return ((pixels - torch.tensor(_MEAN)) / torch.tensor(_STD)).permute(2, 0, 1)[None].contiguous()


def compare_tensors(path: Path, layout: str, model: Model) -> int:
    """The number of tensors in a written file, all of them bit by bit what was to be written.

    Raises:
        HCSCError: some are not.
    """
    checkpoint = read_checkpoint(path)
    parts = sort_weights(checkpoint.weights, layout).parts
    expected = {"query.backbone": model.backbone}
    if layout == "hcsc_mm":
        expected.update(zip(("key.backbone", "key.projection"), model.key, strict=True))
        expected.update({"query.projection": model.projection, "queue": model.queue})
    for part, weights in expected.items():
        found = parts.get(part, {})
        wrong = [name for name in weights.keys() | found.keys() if not _equal(weights.get(name), found.get(name))]
        if wrong:
            raise HCSCError(f"verification failed: {len(wrong)} tensors of {part} are not read back as they were written ({min(wrong)})")
    return len(checkpoint.weights)


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype and torch.equal(one, other)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Libraries report what they load, each in its own way."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _in_hcsc(path: Path, model: Model) -> Network:
    """Our own model takes all of the file, and all that the file lacks is what the source lacked."""
    width = next(iter(model.projection.values())).shape[1] if model.projection else model.shape.out_channels
    neck = dict(type="hcsc_mm.ProjectionNeck", in_channels=width)
    if model.projection:
        matrices = list(model.projection.values())[::2]
        neck.update(hid_channels=matrices[0].shape[0], out_channels=matrices[-1].shape[0], num_layers=len(matrices))
    elif model.queue:
        neck.update(out_channels=model.queue["keys"].shape[1])
    cfg = model.shape.config()
    hcsc = MODELS.build(
        dict(
            type="hcsc_mm.HCSC",
            backbone={**cfg, "type": f"mmpretrain.{cfg['type']}"},
            neck=neck,
            head=dict(type="hcsc_mm.HCSCHead"),
            queue_len=len(model.queue["keys"]) if model.queue else 1,
        )
    )
    missing, unexpected = hcsc.load_state_dict(read_checkpoint(path).weights, strict=False)
    absent = ("neck.", "momentum_encoder.encoder.1.") if not model.projection else ()
    absent += () if model.key[0] else ("momentum_encoder.",)
    absent += () if model.queue else ("queue.",)
    lost = unexpected + [name for name in missing if not name.startswith(absent)]
    if lost:
        raise HCSCError(f"verification failed: {len(lost)} names do not fit the HCSC model ({lost[0]})")
    hcsc.eval()
    return lambda images: hcsc.backbone(images)[-1]


def _in_mmpretrain(path: Path, model: Model) -> Network:
    backbone = model.shape.build(init_cfg=dict(type="Pretrained", checkpoint=str(path), prefix="backbone."))
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
        raise HCSCError(f"verification failed: torchvision misses {missing[:1]} and does not know {unexpected[:1]}")
    return nn.Sequential(*list(network.eval().children())[:-2])  # without pooling and classifier


def _load_tensors(path: Path) -> Weights:
    """As a user of torchvision would."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, weights_only=True)


def _in_timm(path: Path, model: Model) -> Network:
    import timm

    network = timm.create_model(f"resnet{model.shape.depth}", num_classes=0, checkpoint_path=os.fspath(path))
    return network.eval().forward_features


def _in_detectron2(path: Path, model: Model) -> Network:
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.layers import ShapeSpec
    from detectron2.modeling.backbone import build_resnet_backbone

    cfg = get_cfg()
    resnet = cfg.MODEL.RESNETS
    resnet.DEPTH, resnet.NORM, resnet.STRIDE_IN_1X1, resnet.OUT_FEATURES = model.shape.depth, "BN", False, ["res5"]
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    if model.shape.depth < 50:
        resnet.RES2_OUT_CHANNELS = 64
    backbone = build_resnet_backbone(cfg, ShapeSpec(channels=3))
    DetectionCheckpointer(backbone).load(os.fspath(path))
    backbone.eval()
    return lambda images: backbone(images)["res5"]


# Target → what to import of its library, and how the library's users load a file; (B, 3, H, W) → (B, C, h, w).
LOADERS: dict[str, tuple[str, Callable[[Path, Model], Network]]] = {
    "hcsc_mm": ("hcsc_mm", _in_hcsc),
    "mmpretrain": ("mmpretrain", _in_mmpretrain),
    "mmdet": ("mmdet.models", _in_mmdet),
    "torchvision": ("torchvision", _in_torchvision),
    "timm": ("timm", _in_timm),
    "detectron2": ("detectron2.modeling", _in_detectron2),
}
