"""Any folder of images, without labels."""

from __future__ import annotations

import os

from mmpretrain.datasets import CustomDataset

from ..errors import HCSCError
from ..registry import DATASETS

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@DATASETS.register_module()
class ImageFolder(CustomDataset):
    """All images under a folder, at any depth, in sorted order.

    mmpretrain's ``CustomDataset(with_label=False)`` with a clear word for a folder that is missing or holds no image.

    Args:
        data_root: The folder. '~' is the home directory.
        ann_file: Optional list of image paths relative to the folder, one a line.
        **kwargs: As in ``CustomDataset``.
    """

    def __init__(self, data_root: str = "", ann_file: str = "", **kwargs) -> None:
        data_root = os.path.expanduser(data_root)
        if not data_root:
            raise HCSCError("no image folder is given; set data_root in the config to a folder of images")
        if not os.path.isdir(data_root):
            raise HCSCError(f"the image folder {data_root} does not exist; set data_root in the config")
        list_file = ann_file if os.path.isabs(ann_file) else os.path.join(data_root, ann_file)
        if ann_file and not os.path.isfile(list_file):
            raise HCSCError(f"the list of images {list_file} does not exist; mend ann_file or leave it out")
        kwargs.setdefault("with_label", False)
        kwargs.setdefault("extensions", EXTENSIONS)
        super().__init__(data_root=data_root, data_prefix="", ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        try:
            samples = super().load_data_list()
        except RuntimeError as error:
            if "Found 0 files" not in str(error):
                raise
            samples = []
        if not samples:
            raise HCSCError(f"no image under {self.data_root}; supported are {', '.join(sorted(self.extensions))}")
        return samples
