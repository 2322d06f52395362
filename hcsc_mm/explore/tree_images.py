"""The images that a tree is made of: by number, with names, labels and pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, TRANSFORMS
from PIL import Image

from ..apis.registered_types import registered_only
from ..datasets import ImageFolder, LabelledImages
from ..datasets.sources import is_address
from ..errors import HCSCError
from ..utils.text import one_line_path
from .names import name_to_text

FOLDERS = "folders"  # in the place of a list: the first folder is an image's label


class TreeImages:
    """A data set of mmengine's kind, seen as the rows of a tree; a source for :class:`ImageView`.

    Args:
        dataset: The images, in the order of the rows.

    Attributes:
        root: Folder that names are relative to; '' for images without files, or in an archive, tar
            shards, a data base, on a server.
        classes: Names of the labels; None without labels.
    """

    def __init__(self, dataset: BaseDataset) -> None:
        self.dataset = dataset
        self._load = TRANSFORMS.build({"type": "hcsc_mm.LoadImage"})
        self._load.backend_args = getattr(dataset, "backend_args", self._load.backend_args)
        first = dataset.get_data_info(0)
        path = first.get("img_path")
        has_files = path is not None and not is_address(path) and not _in_base(dataset)
        self.root = os.path.abspath(dataset.data_root) if has_files else ""
        names = dataset.metainfo.get("classes")
        labelled = first.get("gt_label") is not None and np.isscalar(first["gt_label"])
        self.classes = tuple(map(str, names)) if labelled and names else None

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, index: int) -> dict[str, Any]:
        """See :class:`ImageSource`."""
        return self.dataset.get_data_info(index)

    def name(self, row: int) -> str:
        """Path of an image relative to the root, or absolute if it is not below; as text of one
        line's worth of bytes, see :func:`name_to_text`.
        """
        path = self.get_data_info(row).get("img_path")
        if path is None:
            return f"image_{row:07d}"
        relative = os.path.relpath(path, self.root) if "://" not in path else path
        return name_to_text(path if relative.startswith("..") else relative)

    def label(self, row: int) -> str | None:
        """Name of its class; None without labels."""
        if self.classes is None:
            return None
        return self.classes[int(self.get_data_info(row)["gt_label"])]

    def take_white(self, white: float | None) -> None:
        """Read :meth:`image` with another white, see :class:`LoadImage`."""
        self._load.white = white

    def image(self, row: int) -> Image.Image:
        """Its pixels, RGB.

        Raises:
            UnreadableImageError: it cannot be read.
        """
        loaded = self._load.load(self.get_data_info(row))
        return Image.fromarray(np.ascontiguousarray(loaded["img"][..., ::-1]))

    def digest(self) -> str:
        """Of all names and labels, and of the sizes of files: what notices that images changed."""
        found = hashlib.sha256()
        for row in range(len(self)):
            info = self.get_data_info(row)
            path = info.get("img_path")
            size = _size(path) if path else hash_of(info["img"])
            found.update(f"{self.name(row)}\n{size}\n{info.get('gt_label')}\n".encode())
        return found.hexdigest()


def open_folder(folder: str, labels: str | None = None, classes: str | None = None) -> TreeImages:
    """Images of a folder.

    Args:
        folder: All images under it, at any depth, in sorted order.
        labels: A list in the form that :class:`LabelledImages` reads ('path label' a line, relative
            to ``folder``): then the images are those of the list, in its order. Or 'folders': the
            first folder of a path is the image's label.
        classes: Text file with the names of the classes, one a line; without it labels of a list
            are numbers.

    Raises:
        HCSCError: the folder is missing or empty, or the list does not fit.
    """
    folder = os.path.abspath(os.path.expanduser(folder))
    if not os.path.exists(folder):
        raise HCSCError(f"the image folder {one_line_path(folder)} does not exist; mend --images")
    if labels is None:
        return TreeImages(ImageFolder(data_root=folder, pipeline=[]))
    if classes is not None:
        classes = os.path.abspath(os.path.expanduser(classes))
    listed = "" if labels == FOLDERS else os.path.expanduser(labels)
    if listed and not os.path.isabs(listed) and os.path.isfile(listed):
        listed = os.path.abspath(listed)  # as typed, else relative to the images
    dataset = LabelledImages(data_root=folder, ann_file=listed, classes=classes, pipeline=[])
    return TreeImages(dataset)


def open_dataset(config: Mapping[str, Any] | None, where: str) -> TreeImages:
    """Images of the data set that a checkpoint was trained on.

    Args:
        config: Config of the data set.
        where: Name of the checkpoint.

    Raises:
        HCSCError: there is none in the checkpoint, or its data are not here.
    """
    if config is None:
        raise HCSCError(f"{where} does not say what it was trained on; give --images FOLDER")
    trusted = registered_only({**config, "pipeline": []}, DATASETS, where)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return TreeImages(DATASETS.build(trusted))


def _in_base(dataset: BaseDataset) -> bool:
    """Whether paths are keys of mmengine's file back end."""
    return getattr(dataset, "backend_args", None) is not None


def _size(path: str) -> int:
    """Bytes of a file; -1 for what is no file, or elsewhere: whoever reads it says why."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def hash_of(pixels: np.ndarray) -> str:
    """Of an image in memory."""
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
