"""Images with labels: a folder per class, or a list."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import one_line_path
from .file_kinds import same_text
from .image_folder import ImageFolder
from .label_list import (
    LabelledPath,
    check_one_label_each,
    draw_per_class,
    keep_listed,
    log_not_read,
    parse_labels,
)
from .sources import Source
from .text_list import find_listed, read_lines

_FEW = 100  # unused labels are nobody's concern
_PARTS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
_MOST_CLASSES = 1_000_000  # a larger label is a year or an identifier in the wrong column


@DATASETS.register_module()
class LabelledImages(ImageFolder):
    """Images that know their class, and where the data says so, their coarse class.

    Without ``ann_file`` the first folder under the root is an image's class, and images come in
    sorted order; with it, each line of a text file is an image: ``path label``, ``path, label`` or
    ``path, label, coarse_label``, in the file's order. A sample has ``img_path``, ``gt_label`` and,
    where known, ``coarse_label``. The names of the classes are those of the folders, or the numbers
    from 0 to the list's largest label.

    Args:
        data_root: The folder, archive or address, or several, see :class:`ImageFolder`; a class may
            have a folder in each.
        ann_file: The list, relative to ``data_root`` or absolute; of several roots one for each.
        data_prefix: Folder under ``data_root`` that holds the class folders, or that listed paths
            are relative to.
        listed: Text file, relative to ``data_root`` or absolute, with a file name a line, such as
            the SimCLR lists of 1 % and 10 % of ImageNet (n01440764_10026.JPEG): only these images
            are kept.
        per_class: A whole number: so many images of each class. A fraction: that share of each
            class, at least one image.
        seed: Seeds that draw, which is equal on every machine and process.
        coarse: Coarse class of each class, C whole numbers, where no third column says it.
        classes: Names of the classes, or a text file with one a line, relative to ``data_root`` or
            absolute. For folders it fixes which folder has which number, and a folder of another
            name is refused; for lists it names the numbers.
        **kwargs: Further arguments of :class:`ImageFolder`.
    """

    def __init__(
        self,
        data_root: str | Sequence[str] = "",
        ann_file: str | Sequence[str] = "",
        data_prefix: str = "",
        listed: str | None = None,
        per_class: int | float | None = None,
        seed: int = 0,
        coarse: Sequence[int] | None = None,
        classes: str | Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        single = data_root is None or isinstance(data_root, (str, os.PathLike))
        root = (data_root or "") if single else next(iter(data_root), "")
        root = os.path.expanduser(root)
        self.listed = None if listed is None else os.path.join(root, os.path.expanduser(listed))
        self.per_class = per_class
        self.seed = seed
        self.coarse = coarse
        if isinstance(classes, str):
            classes = [
                line for line in read_lines(os.path.join(root, os.path.expanduser(classes))) if line
            ]
        if classes is not None and not isinstance(classes, Sequence):
            raise HCSCError(
                f"classes={classes!r} must be a list of the classes' names, or a text file with "
                "one a line"
            )
        if classes is not None and len(set(classes)) < len(classes):
            twice = next(name for place, name in enumerate(classes) if name in classes[:place])
            raise HCSCError(
                f"classes has the name {one_line_path(twice)} twice; a name stands for one class"
            )
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            data_prefix=data_prefix,
            classes=classes,
            with_label=True,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """All samples.

        Raises:
            HCSCError: a file or folder is missing, a line does not parse, labels do not fit the
                classes, or nothing is left.
        """
        if self.CLASSES is not None:
            self._metainfo["classes"] = tuple(same_text(str(name)) for name in self.CLASSES)
        images = self._images_of_list() if self.ann_file else self._images_of_folders()
        if self.listed is not None:
            images = keep_listed(images, self.listed)
        if self.per_class is not None:
            images = draw_per_class(images, self.per_class, self.seed, self.CLASSES)
        if not images:
            raise HCSCError(
                f"no image is left of {one_line_path(self.ann_file or self.img_prefix)}; look at "
                f"listed={self.listed}"
            )
        if self.coarse is not None:
            images = self._with_coarse_labels(images)
        self._labels = np.array([image.label for image in images], dtype=np.int32)
        return [self._sample(image) for image in images]

    def labels(self) -> NDArray[np.int32]:
        """(N,) labels of all images; with ``indices`` not always in the images' order."""
        if len(self) == len(self._labels):
            return self._labels  # asking for a million samples takes seconds
        return self.get_gt_labels()

    def _sample(self, image: LabelledPath) -> dict:
        path = self.sources[0].path(image.path)  # unchanged where it is an address or absolute
        sample = {"img_path": path, "gt_label": image.label}
        return sample if image.coarse is None else {**sample, "coarse_label": image.coarse}

    def _images_of_folders(self) -> list[LabelledPath]:
        """Every image under a class's folder, sorted; names the classes if nobody has."""
        listings = [(source, self._found(source)) for source in self.sources]
        if not any(paths for _, paths in listings):
            raise self._no_image()
        for source, paths in listings:
            _check_in_folders(paths, source)
        names = {_class_of(path) for _, paths in listings for path in paths}
        if self.CLASSES is None:
            _check_are_classes(names, [path for _, paths in listings for path in paths])
            self._metainfo["classes"] = tuple(sorted(names))
        index = self.class_to_idx
        unknown = sorted(names - index.keys())
        if unknown:
            raise HCSCError(
                f"{len(unknown)} folders under {one_line_path(self.img_prefix)} are not in "
                f"classes, the first is {one_line_path(unknown[0])}; name them there, or move them "
                "away"
            )
        return [
            LabelledPath(self._name(source, path), index[_class_of(path)])
            for source, paths in listings
            for path in paths
        ]

    def _name(self, source: Source, path: str) -> str:
        """Of an image among all: relative to the root where there is only one."""
        return path if len(self.sources) == 1 else source.path(path)

    def _images_of_list(self) -> list[LabelledPath]:
        """The lists' images; numbers the classes if nobody has named them."""
        images = [image for source in self.sources for image in self._labelled(source)]
        largest = max(images, key=lambda image: image.label)
        if largest.label >= _MOST_CLASSES:
            raise HCSCError(
                f"{one_line_path(self.ann_file)} gives {one_line_path(largest.path)} the label "
                f"{largest.label}; labels number the classes "
                "from 0: mend the list"
            )
        if self.CLASSES is None:
            # Every number up to the largest, used or not: a class's place among the names is its
            # label, as everywhere in OpenMMLab.
            self._metainfo["classes"] = tuple(str(label) for label in range(largest.label + 1))
            _warn_of_gaps({image.label for image in images}, self.ann_file)
        if largest.label >= len(self.CLASSES):
            raise HCSCError(
                f"{one_line_path(self.ann_file)} gives {one_line_path(largest.path)} the label "
                f"{largest.label}, but classes names "
                f"{len(self.CLASSES)}: labels count from 0; mend the list or name more classes"
            )
        return images

    def _labelled(self, source: Source) -> list[LabelledPath]:
        """The images of one list."""
        listed = parse_labels(read_lines(source.ann_file, source.backend_args), source.ann_file)
        if not listed:
            raise HCSCError(
                f"no image in the list {one_line_path(source.ann_file)}; it needs lines "
                "'path label'"
            )
        check_one_label_each(listed, source)
        log_not_read([image.path for _, image in listed], source.ann_file)
        found = find_listed([(number, [image.path]) for number, image in listed], source)
        return [
            image._replace(path=self._name(source, path))
            for (_, image), (path, _) in zip(listed, found, strict=True)
        ]

    def _with_coarse_labels(self, images: list[LabelledPath]) -> list[LabelledPath]:
        if len(self.coarse) != len(self.CLASSES):
            raise HCSCError(
                f"coarse has {len(self.coarse)} entries for {len(self.CLASSES)} classes; give one "
                "for each class"
            )
        if not all(isinstance(label, Integral) and label >= 0 for label in self.coarse):
            raise HCSCError(
                f"coarse={list(self.coarse)} must hold the number of each class's coarse class, "
                "whole and from 0"
            )
        if images[0].coarse is not None:
            raise HCSCError(
                f"{one_line_path(self.ann_file)} has coarse labels of its own; leave out coarse, "
                "or its third column"
            )
        return [image._replace(coarse=self.coarse[image.label]) for image in images]


def _class_of(path: str) -> str:
    return same_text(path.split(os.sep, 1)[0])


def _check_in_folders(paths: Sequence[str], source: Source) -> None:
    outside = [path for path in paths if os.sep not in path]
    if outside:
        raise HCSCError(
            f"{len(outside)} images under {one_line_path(source.folder)} lie in no class's folder, "
            f"the first is {one_line_path(outside[0])}; "
            "put each into a folder that is named after its class, or give ann_file"
        )


def _check_are_classes(names: set[str], paths: Sequence[str]) -> None:
    """Refuse folders that are the parts of a data set, and warn of one that holds all others."""
    if len(names) > 1 and {name.lower() for name in names} <= _PARTS:
        shown = ", ".join(map(one_line_path, sorted(names)))
        raise HCSCError(
            f"the folders {shown} would be the classes, and are called like the parts of a data "
            "set; set data_root or data_prefix to one of them, or name them in classes"
        )
    below = {part[1] for part in (path.split(os.sep) for path in paths) if len(part) > 2}
    if len(names) == 1 and len(below) > 1:
        (name,) = map(one_line_path, names)
        print_log(
            f"all {len(paths)} images are of one class, {name}: its {len(below)} folders count for "
            f"nothing. If they are the classes, set data_prefix={name!r}",
            "current",
            level=30,
        )


def _warn_of_gaps(labels: set[int], ann_file: str) -> None:
    """Labels are places among the names of classes: a classifier has an output for each."""
    number = max(labels) + 1
    if number > 2 * len(labels) + _FEW:
        print_log(
            f"{one_line_path(ann_file)} has labels up to {number - 1}, of which {len(labels)} are "
            "used; number them from 0 to save the outputs, or name the classes by classes=",
            "current",
            level=30,
        )
