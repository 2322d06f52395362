"""scikit-learn's handwritten digits: real scans that need no download."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from mmpretrain.datasets import BaseDataset

from ..errors import HCSCError
from ..registry import DATASETS


@DATASETS.register_module()
class Digits(BaseDataset):
    """The 1,797 8 × 8 scans of the UCI optical digits test set that scikit-learn bundles.

    Every fifth scan is held out for testing, so the split is fixed: 1,437 to train on, 360 to test
    on.

    Args:
        split: 'train', 'test' or 'all'.
        **kwargs: Further arguments of mmpretrain's ``BaseDataset``.
    """

    METAINFO: ClassVar[dict] = {"classes": tuple(str(digit) for digit in range(10))}

    def __init__(self, split: str = "train", **kwargs) -> None:
        if split not in ("train", "test", "all"):
            raise HCSCError(f"split={split!r} is unknown; choose 'train', 'test' or 'all'")
        self.split = split
        super().__init__(ann_file="", **kwargs)

    def load_data_list(self) -> list[dict]:
        # here: with SciPy it takes most of a second, and few runs are on digits
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        images = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)  # stored as 0..16
        held_out = np.arange(len(images)) % 5 == 0
        chosen = {"train": ~held_out, "test": held_out, "all": np.ones_like(held_out)}[self.split]
        return [
            {
                "img": np.repeat(image[..., None], 3, axis=2),
                "img_shape": (8, 8),
                "ori_shape": (8, 8),
                "gt_label": int(label),
            }
            for image, label in zip(images[chosen], labels[chosen], strict=True)
        ]
