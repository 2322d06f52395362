"""scikit-learn's handwritten digits: real scans that need no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
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
        table = _read_scans()  # (1797, 64 + 1)
        images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
        images = np.rint(images * (255 / 16)).astype(np.uint8)  # stored as 0..16
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


def _read_scans() -> np.ndarray:
    """Rows of 64 pixels from 0 to 16 and a label, as scikit-learn keeps them.

    Its file is read without it, as far as it is where it has always been: scikit-learn imports
    SciPy and pandas, which takes every process of a run more than a second.
    """
    folder = Path(find_spec("sklearn").origin).parent
    file = folder / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    return np.column_stack(load_digits(return_X_y=True))
