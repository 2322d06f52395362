"""A data set's images and others that a density of them draws: inflation without a generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset
from numpy.typing import NDArray

from ..errors import HCSCError
from ..registry import DATASETS
from .mixed_images import mixed_numbers


@DATASETS.register_module()
class InflatedImages(BaseDataset):
    """All images of a small data set, and images drawn from a kernel density of their pixels.

    For data inflation (AdaInf: Wang et al., ICLR 2024) where nobody has a generative model of the
    images. The model here is the plainest that learns from images of one size in seconds: principal
    components of the pixels, each of unit variance, and a Gaussian kernel around every image's
    (scikit-learn's ``PCA`` and ``KernelDensity``, as in its own example on the digits). It knows no
    labels. What it draws is near one image and blurred by what the components leave out: a test of
    inflation on drawings and scans, no rival of a diffusion model on photographs, whose samples
    :class:`MixedImages` takes from a folder.

    Real images come first. Samples have ``img``, (H, W, 3) uint8, and no path and no label; all
    stay in memory.

    Args:
        images: Config of the data set to inflate, of images of one size. Its pipeline reads the
            images where they lie in files, and is then the pipeline of all.
        real_share: Of the real images among all samples, in (0, 1); 0.5 by default. So many are
            drawn that each real image is listed once.
        variance: Share of the pixels' variance that the components keep, in (0, 1); 0.9 by default.
        bandwidth: Standard deviation of the kernels in units of each component's, above 0; 0.6 by
            default, what cross-validated likelihood finds on the training digits.
        seed: Of the draws, 0 by default; they are equal in every process.

    Raises:
        HCSCError: a value out of range, images of several sizes, or files that nothing reads.
    """

    def __init__(
        self,
        images: Mapping[str, Any],
        real_share: float = 0.5,
        variance: float = 0.9,
        bandwidth: float = 0.6,
        seed: int = 0,
        **kwargs,
    ) -> None:
        for name, value in (("real_share", real_share), ("variance", variance)):
            if not 0 < value < 1:
                raise HCSCError(f"{name}={value} of InflatedImages must lie in (0, 1)")
        if not bandwidth > 0:
            raise HCSCError(f"bandwidth={bandwidth} of InflatedImages must be above 0")
        self.images, self.real_share = dict(images), real_share
        self.variance, self.bandwidth, self.seed = variance, bandwidth, seed
        pipeline = kwargs.pop("pipeline", self.images.get("pipeline", ()))
        super().__init__(ann_file="", pipeline=pipeline, **kwargs)

    def load_data_list(self) -> list[dict]:
        """All samples, the real ones first."""
        real = self._real()
        number = mixed_numbers(len(real), 1, self.real_share)[1]
        made = draw(real, number, self.variance, self.bandwidth, self.seed)
        print_log(
            f"{len(real):,} real images and {number:,} that a kernel density of them draws: "
            f"{len(real) / (len(real) + number):.1%} are real",
            logger="current",
        )
        size = real.shape[1:3]
        return [
            {"img": image, "img_shape": size, "ori_shape": size}
            for images in (real, made)
            for image in images
        ]

    def _real(self) -> NDArray[np.uint8]:
        """(N, H, W, 3) the images of the data set as they are stored."""
        first = next(iter(self.images.get("pipeline", ())), {})
        load = [first] if "LoadImage" in str(first.get("type")) else []
        stored = DATASETS.build({**self.images, "pipeline": load})
        samples = [stored[row] for row in range(len(stored))]
        if "img" not in samples[0]:
            raise HCSCError(
                "InflatedImages draws from decoded images; begin the pipeline of its images with "
                "dict(type='hcsc_mm.LoadImage')"
            )
        found = [sample["img"] for sample in samples]
        sizes = {image.shape for image in found}
        if len(sizes) > 1:
            raise HCSCError(
                f"InflatedImages needs images of one size, and has {len(sizes)}, such as "
                f"{' and '.join(map(str, sorted(sizes)[:2]))}; take hcsc_mm.MixedImages with the "
                "samples of a generative model"
            )
        return np.stack(found)


def draw(
    images: NDArray[np.uint8], number: int, variance: float, bandwidth: float, seed: int
) -> NDArray[np.uint8]:
    """Draw images from a kernel density of others in the space of their principal components.

    Args:
        images: (N, H, W, C), N at least 2.
        number: How many to draw.
        variance: Share of the variance that the components keep, in (0, 1).
        bandwidth: Of the kernels, above 0, in units of each component's standard deviation.
        seed: Of the draws.

    Returns:
        (number, H, W, C).
    """
    from sklearn.decomposition import PCA  # its import takes a second
    from sklearn.neighbors import KernelDensity

    is_grey = (images == images[..., :1]).all()  # three equal channels say nothing three times
    pixels = (images[..., 0] if is_grey else images).reshape(len(images), -1).astype(np.float64)
    components = PCA(variance, whiten=True, svd_solver="full").fit(pixels)
    density = KernelDensity(bandwidth=bandwidth).fit(components.transform(pixels))
    drawn = components.inverse_transform(density.sample(number, random_state=seed))
    drawn = np.rint(drawn.clip(0, 255)).astype(np.uint8)
    if is_grey:
        drawn = drawn.repeat(images.shape[-1], axis=1)
    return drawn.reshape(number, *images.shape[1:])
