"""Any folder of images, without labels."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from ..errors import HCSCError
from ..registry import DATASETS
from .image_memory import ImageMemory, check_options
from .transforms.decode import one_line_path
from .transforms.load_image import MEMORY_KEY, LoadImage

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@DATASETS.register_module()
class ImageFolder(CustomDataset):
    """All images under a folder, at any depth, in sorted order.

    mmpretrain's ``CustomDataset(with_label=False)`` with a clear word for a folder that is missing
    or holds no image, a walk that ends where links form a loop, and samples that know which
    unreadable images they stand in for.

    Args:
        data_root: The folder. '~' is the home directory.
        ann_file: Optional list of image paths relative to the folder, one a line.
        data_prefix: Folder under ``data_root`` that holds the images; paths are relative to it.
        max_refetch: How many unreadable images in a row are replaced by others before the run
            stops.
        memory: Options of :class:`ImageMemory`, to keep the images in memory once they are decoded;
            None decodes them in each epoch. ``dict()`` keeps them as they are in at most half of
            the memory that is free.
        **kwargs: As in ``CustomDataset``.
    """

    def __init__(
        self,
        data_root: str = "",
        ann_file: str = "",
        data_prefix: str = "",
        max_refetch: int = 100,
        memory: dict | None = None,
        **kwargs,
    ) -> None:
        self.memory: ImageMemory | None = None
        self._memory_options = None if memory is None else check_options(memory)
        data_root = os.path.expanduser(data_root)
        if not data_root:
            raise HCSCError(
                "no image folder is given; set data_root in the config to a folder of images"
            )
        if not os.path.isdir(data_root):
            raise HCSCError(
                f"the image folder {one_line_path(data_root)} does not exist; set data_root in the "
                "config"
            )
        list_file = ann_file if os.path.isabs(ann_file) else os.path.join(data_root, ann_file)
        if ann_file and not os.path.isfile(list_file):
            raise HCSCError(
                f"the list of images {one_line_path(list_file)} does not exist; mend ann_file or "
                "leave it out"
            )
        kwargs.setdefault("with_label", False)
        kwargs.setdefault("extensions", EXTENSIONS)
        super().__init__(
            data_root=data_root,
            data_prefix=data_prefix,
            ann_file=ann_file,
            max_refetch=max_refetch,
            **kwargs,
        )

    def full_init(self) -> None:
        """List the images, and make room for them if they are to be kept in memory."""
        super().full_init()
        if self._memory_options is not None and self.memory is None:
            transforms = self.pipeline.transforms
            if transforms and not any(isinstance(one, LoadImage) for one in transforms):
                raise HCSCError(
                    "memory keeps what hcsc_mm.LoadImage decodes, and the pipeline has none; begin "
                    "it with dict(type='hcsc_mm.LoadImage')"
                )
            paths = [self.get_data_info(index)["img_path"] for index in range(len(self))]
            self.memory = ImageMemory(paths, **self._memory_options)

    def prepare_data(self, index: int) -> dict | None:
        """The sample through the pipeline, whose ``LoadImage`` finds the memory beside the path."""
        if self.memory is None:
            return super().prepare_data(index)
        return self.pipeline({**self.get_data_info(index), MEMORY_KEY: self.memory})

    def load_data_list(self) -> list[dict]:
        try:
            samples = super().load_data_list()
        except RuntimeError as error:
            if "Found 0 files" not in str(error):
                raise
            samples = []
        if not samples:
            raise HCSCError(
                f"no image under {one_line_path(self.data_root)}; supported are "
                f"{', '.join(sorted(self.extensions))}"
            )
        return samples

    def _find_samples(self) -> list:
        return (
            super()._find_samples()
            if self.with_label
            else list_images(self.img_prefix, self.extensions)
        )

    def __getitem__(self, index: int) -> dict:
        """The sample, or another in place of one that its pipeline skips; ``skipped`` then holds
        the indices of those.

        Raises:
            HCSCError: one after the other was skipped; the disk is gone, or the folder full of what
                cannot be read. With ``test_mode``: one was skipped, and a test must not leave it
                out.
        """
        if self.test_mode:
            packed = self.prepare_data(index)
            if packed is None:
                path = one_line_path(self.get_data_info(index)["img_path"])
                raise HCSCError(
                    f"{path} of a test set cannot be read, and another must not take its place; "
                    "mend it, or remove it"
                )
            return packed
        skipped: list[int] = []
        while len(skipped) <= self.max_refetch:
            packed = self.prepare_data(index)
            if packed is not None:
                if skipped:
                    packed["data_samples"].set_field(
                        tuple(skipped), "skipped", field_type="metainfo"
                    )
                return packed
            skipped.append(index)
            index = self._rand_another()
        path = one_line_path(self.get_data_info(skipped[0])["img_path"])
        root = one_line_path(self.data_root)
        raise HCSCError(
            f"{len(skipped)} images in a row cannot be read, the first is {path}; see whether "
            f"{root} is still there"
        )


def list_images(folder: str, extensions: Sequence[str]) -> list[str]:
    """Paths of images under a folder, relative to it and sorted.

    Everything with an image's extension that is no folder is listed, so that links without a
    target, pipes and the like are not lost in silence: whoever loads them says what they are. Names
    that begin with a dot are left out. Links to folders are followed, but each folder is listed
    once, under its own name if it has one here: links may form loops.

    Raises:
        HCSCError: a folder cannot be listed.
    """
    found: list[str] = []
    entered: set[tuple[int, int]] = set()  # device and inode of folders
    folders, links, twice = [""], [], []
    while folders or links:  # links wait until all folders are listed under their own names
        relative = folders.pop() if folders else links.pop(0)
        identity, entries = _scan(os.path.join(folder, relative))
        if identity in entered:
            twice.append(relative)
            continue
        entered.add(identity)
        for entry in entries:
            path = os.path.join(relative, entry.name)
            if _is_folder(entry):
                (links if entry.is_symlink() else folders).append(path)
            elif entry.name.lower().endswith(tuple(extensions)):
                found.append(path)
    if twice:
        first = one_line_path(os.path.join(folder, min(twice)))
        print_log(
            f"{len(twice)} links to folders that are listed anyway are not followed, the first is "
            f"{first}",
            "current",
            level=30,
        )
    return sorted(found)


def _scan(folder: str) -> tuple[tuple[int, int], list[os.DirEntry]]:
    """What the folder is, and its entries without hidden ones, sorted."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise HCSCError(
            f"cannot list the image folder {one_line_path(folder)} ({error.strerror}); make it "
            "readable, or move it away"
        ) from error
    return (status.st_dev, status.st_ino), sorted(visible, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    """Following links; a link that leads nowhere, or to itself, is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False
