"""Whether a library makes of a written file the features that the source's weights make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..errors import HCSCError
from ..utils.text import first_line
from .contents import sort_weights
from .files import read_checkpoint
from .libraries import LOADERS, why_not_imported
from .quiet import quiet
from .targets import Model

TOLERANCE = 1e-5  # of the largest feature, or of 1 if that is smaller
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB
# What libraries raise for weights that are not what they expect.
_LOADING_ERRORS = (
    RuntimeError,
    KeyError,
    IndexError,
    ImportError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
    UnpicklingError,
)


@dataclass(frozen=True)
class FeatureDifference:
    """How far two feature maps are apart.

    Attributes:
        difference: Largest absolute difference.
        largest: Largest absolute feature that the source's weights make.
    """

    difference: float
    largest: float

    @property
    def allowed(self) -> float:
        return TOLERANCE * max(1.0, self.largest)


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


def verify(path: Path, layout: str, model: Model, image: str | None = None) -> Verification:
    """Load a written file into the library that it is for, and compare.

    Args:
        path: Path of the written file.
        layout: The target's name, see :data:`LOADERS`.
        model: What the file was made from.
        image: Path of the image to compare features of; scikit-learn's photograph of a Chinese
            temple by default.

    Raises:
        HCSCError: a tensor or a feature differs, or the library cannot load the file; or there is
            no such image.
    """
    images = load_image(image)
    num_tensors = compare_tensors(path, layout, model)
    obstacle = why_not_imported(LOADERS[layout][0])
    return Verification(
        num_tensors, None if obstacle else compare_features(path, layout, model, images), obstacle
    )


def compare_features(path: Path, layout: str, model: Model, images: Tensor) -> FeatureDifference:
    """The last feature map (of a ViT the tokens) that the target's library computes with a file,
    against mmpretrain's with the source's weights.

    Args:
        path, layout, model: What to compare, as in :func:`verify`.
        images: (B, 3, H, W), normalised.

    Raises:
        HCSCError: they differ, or the library cannot load the file.
    """
    reference = model.shape.loaded(model.backbone)
    images = model.shape.fit(images)
    try:
        with torch.no_grad(), quiet():
            expected, features = (
                reference(images)[-1],
                LOADERS[layout][1](path, model)(images),
            )  # (B, C, h, w)
    except HCSCError:
        raise
    except _LOADING_ERRORS as error:
        raise HCSCError(
            f"verification failed: {layout} cannot load the file ({type(error).__name__}: "
            f"{first_line(error)})"
        ) from error
    if features.shape != expected.shape:
        raise HCSCError(
            f"verification failed: features of shape {tuple(features.shape)} in {layout}, "
            f"{tuple(expected.shape)} before"
        )
    result = FeatureDifference(
        float((features - expected).abs().max()), float(expected.abs().max())
    )
    if not result.difference <= result.allowed:  # so that NaN fails, too
        raise HCSCError(
            f"verification failed: features in {layout} differ by up to {result.difference:.3g} "
            "from the source's"
        )
    return result


def load_image(path: str | None) -> Tensor:
    """(1, 3, 224, 224): shorter side 256, centre crop 224, ImageNet's mean and deviation."""
    if path is None:
        from sklearn.datasets import load_sample_image

        image = Image.fromarray(load_sample_image("china.jpg"))
    else:
        try:
            image = Image.open(path).convert("RGB")
        except (
            UnidentifiedImageError,
            OSError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:
            raise HCSCError(
                f"cannot read the image {path} ({first_line(error)}); leave out --image for a "
                "bundled one"
            ) from None
    scale = 256 / min(image.size)
    image = image.resize(
        [max(256, round(side * scale)) for side in image.size], Image.Resampling.BILINEAR
    )
    left, top = ((side - 224) // 2 for side in image.size)
    # (224, 224, 3)
    pixels = (
        torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).float() / 255
    )
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
        wrong = [
            name
            for name in weights.keys() | found.keys()
            if not _equal(weights.get(name), found.get(name))
        ]
        if wrong:
            raise HCSCError(
                f"verification failed: {len(wrong)} tensors of {part} are not read back as they "
                f"were written ({min(wrong)})"
            )
    return len(checkpoint.weights)


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.dtype == other.dtype
        and torch.equal(one, other)
    )
