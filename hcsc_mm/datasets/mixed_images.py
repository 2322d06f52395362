"""Real images and generated ones, mixed in a ratio."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import cycle, islice

from mmengine.logging import print_log

from ..errors import HCSCError
from ..registry import DATASETS
from .image_folder import ImageFolder


@DATASETS.register_module()
class MixedImages(ImageFolder):
    """All images of two kinds of places, real ones first, of which one kind is listed again and
    again until real images have their share (AdaInf: Wang et al., "Do Generated Data Always Help
    Contrastive Learning?", ICLR 2024, Section 4.1).

    The released code (PKU-ML/adainf) repeats the real images ten times as a whole beside one
    million generated ones, on CIFAR-10 a share of 1/3. Here the last repetition may be a part, so
    that the share is met to one image, and generated images are repeated where they are too few.
    Each repetition has a number of its own among the samples: an image that is listed three times
    counts three times in an epoch, in a clustering and in an :class:`ImageMemory`.

    What goes with the share is the strength of the augmentation: the more generated images, the
    weaker; ``configs/adainf_r18_200e_folder.py`` ties them.

    Args:
        data_root: Place or places of the real images, as in :class:`ImageFolder`.
        generated: Place or places of the generated ones, of the same kinds.
        real_share: Of the real images among all samples, in (0, 1); None, the default: as it is,
            without repetition.
        **kwargs: Further arguments of :class:`ImageFolder`; lists are for the places of both kinds,
            the real ones first.

    Raises:
        HCSCError: the share is impossible, or one kind has no image.
    """

    def __init__(
        self,
        data_root: str | Sequence[str] = "",
        generated: str | Sequence[str] = "",
        real_share: float | None = None,
        **kwargs,
    ) -> None:
        if real_share is not None and not 0 < real_share < 1:
            raise HCSCError(
                f"real_share={real_share} of MixedImages must lie in (0, 1); for real images alone "
                "take hcsc_mm.ImageFolder"
            )
        real, made = _places(data_root), _places(generated)
        self.num_real_places, self.real_share = len(real), real_share
        super().__init__(data_root=[*real, *made], **kwargs)

    def load_data_list(self) -> list[dict]:
        """All samples, the real ones first."""
        real: list[str] = []
        made: list[str] = []
        for place, source in enumerate(self.sources):
            kind = real if place < self.num_real_places else made
            kind.extend(source.path(path) for path in self.paths_of(source))
        for name, paths in (("data_root", real), ("generated", made)):
            if not paths:
                raise HCSCError(f"MixedImages finds no image in {name}; set it to a folder of some")
        numbers = mixed_numbers(len(real), len(made), self.real_share)
        print_log(
            f"{len(real):,} real images, listed {numbers[0] / len(real):.3g} times, and "
            f"{len(made):,} generated ones, listed {numbers[1] / len(made):.3g} times: "
            f"{numbers[0] / sum(numbers):.1%} are real",
            logger="current",
        )
        return [
            {"img_path": path}
            for paths, number in zip((real, made), numbers, strict=True)
            for path in islice(cycle(paths), number)
        ]


def mixed_numbers(num_real: int, num_made: int, real_share: float | None) -> tuple[int, int]:
    """How many real and generated samples meet a share; at least all images of both kinds.

    Args:
        num_real, num_made: Images of each kind, at least 1.
        real_share: In (0, 1); None: as it is.
    """
    if real_share is None:
        return num_real, num_made
    wanted_real = round(num_made * real_share / (1 - real_share))
    if wanted_real >= num_real:
        return wanted_real, num_made
    return num_real, max(num_made, round(num_real * (1 - real_share) / real_share))


def _places(given: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    several = not isinstance(given, (str, os.PathLike))
    return [os.fspath(place) for place in given] if several else [os.fspath(given)]
