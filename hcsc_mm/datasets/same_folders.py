"""Do two lists give the images of equally named folders the same labels?"""

from __future__ import annotations

import os

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ..utils.text import one_line_path
from .file_kinds import same_text
from .labelled_images import LabelledImages

_MOST_READ = 100_000  # images of each set, evenly spread


def warn_of_other_numbers(train: BaseDataset, test: BaseDataset) -> None:
    """Warn of lists that number the classes differently, as where one of them was sorted otherwise,
    or counts from 1 and has no image of the last class.

    Both are read by number, and nothing but the folders of their images tells: where every folder
    of a set has one label and every label one folder, a folder is a class, and one of the same name
    in the other set must have the same label. Other sets are let pass.
    """
    ours, theirs = _labels_of_folders(train), _labels_of_folders(test)
    shared = sorted(ours.keys() & theirs.keys())
    other = [name for name in shared if ours[name] != theirs[name]]
    if other and len(shared) > 1:
        name = other[0]
        print_log(
            f"images in {len(other)} of {len(shared)} folders have other labels in the training "
            f"list than in the test list: {one_line_path(name)} is {ours[name]} there and "
            f"{theirs[name]} here; number the classes alike in both lists",
            "current",
            level=30,
        )


def _labels_of_folders(dataset: BaseDataset) -> dict[str, int]:
    """Name of each folder → its label; empty where folders are no classes, or name them."""
    if not isinstance(dataset, LabelledImages) or not dataset.ann_file:
        return {}
    found: dict[str, int] = {}
    rows = np.linspace(0, len(dataset) - 1, num=min(len(dataset), _MOST_READ)).astype(int)
    for row in rows.tolist():
        info = dataset.get_data_info(row)
        folder = same_text(os.path.basename(os.path.dirname(info["img_path"])))
        if found.setdefault(folder, info["gt_label"]) != info["gt_label"]:
            return {}
    return found if len(set(found.values())) == len(found) else {}
