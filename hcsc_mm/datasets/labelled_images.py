"""Images with labels: a folder per class, or a list."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import one_line_path
from .image_folder import ImageFolder, list_images
from .label_list import (
    LabelledPath,
    check_files_exist,
    draw_per_class,
    keep_listed,
    read_label_list,
    read_lines,
)

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
        data_root: The folder. '~' is the home directory.
        ann_file: The list, relative to ``data_root`` or absolute.
        data_prefix: Folder under ``data_root`` that holds the class folders, or that listed paths
            are relative to.
        listed: Text file, relative to ``data_root`` or absolute, with a file name a line, such as
            the SimCLR lists of 1 % and 10 % of ImageNet (n01440764_10026.JPEG): only these images
            are kept.
        per_class: A whole number: so many images of each class. A fraction: that share of each
            class, at least one image.
        seed: Of that draw, which is equal on every machine and process.
        coarse: Coarse class of each class, C whole numbers, where no third column says it.
        classes: Names of the classes, or a text file with one a line, relative to ``data_root`` or
            absolute. For folders it fixes which folder has which number, and a folder of another
            name is refused; for lists it names the numbers.
        **kwargs: As in mmpretrain's ``BaseDataset``.
    """

    def __init__(
        self,
        data_root: str = "",
        ann_file: str = "",
        data_prefix: str = "",
        listed: str | None = None,
        per_class: int | float | None = None,
        seed: int = 0,
        coarse: Sequence[int] | None = None,
        classes: str | Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        root = os.path.expanduser(data_root)
        self.listed = None if listed is None else os.path.join(root, os.path.expanduser(listed))
        self.per_class = per_class
        self.seed = seed
        self.coarse = coarse
        if isinstance(classes, str):
            classes = [
                line for line in read_lines(os.path.join(root, os.path.expanduser(classes))) if line
            ]
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
        return [self._sample(image) for image in images]

    def _sample(self, image: LabelledPath) -> dict:
        sample = {"img_path": os.path.join(self.img_prefix, image.path), "gt_label": image.label}
        return sample if image.coarse is None else {**sample, "coarse_label": image.coarse}

    def _images_of_folders(self) -> list[LabelledPath]:
        """Every image under a class's folder, sorted; names the classes if nobody has."""
        root = one_line_path(self.img_prefix)
        paths = list_images(self.img_prefix, self.extensions)
        if not paths:
            raise HCSCError(
                f"no image under {root}; supported are {', '.join(sorted(self.extensions))}"
            )
        names = [path.split(os.sep, 1)[0] for path in paths]
        outside = [path for path, name in zip(paths, names, strict=True) if path == name]
        if outside:
            raise HCSCError(
                f"{len(outside)} images under {root} lie in no class's folder, the first is "
                f"{one_line_path(outside[0])}; "
                "put each into a folder that is named after its class, or give ann_file"
            )
        found = sorted(set(names))
        if self.CLASSES is None:
            self._metainfo["classes"] = tuple(found)
        unknown = [name for name in found if name not in self.class_to_idx]
        if unknown:
            raise HCSCError(
                f"{len(unknown)} folders under {root} are not in classes, the first is "
                f"{one_line_path(unknown[0])}; "
                "name them there, or move them away"
            )
        index = self.class_to_idx
        return [LabelledPath(path, index[name]) for path, name in zip(paths, names, strict=True)]

    def _images_of_list(self) -> list[LabelledPath]:
        """The list's images; numbers the classes if nobody has named them."""
        images = read_label_list(self.ann_file)
        if not images:
            raise HCSCError(
                f"no image in the list {one_line_path(self.ann_file)}; it needs lines 'path label'"
            )
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
        if largest.label >= len(self.CLASSES):
            raise HCSCError(
                f"{one_line_path(self.ann_file)} gives {one_line_path(largest.path)} the label "
                f"{largest.label}, but classes names "
                f"{len(self.CLASSES)}: labels count from 0; mend the list or name more classes"
            )
        check_files_exist([image.path for image in images], self.img_prefix, self.ann_file)
        return images

    def _with_coarse_labels(self, images: list[LabelledPath]) -> list[LabelledPath]:
        if len(self.coarse) != len(self.CLASSES):
            raise HCSCError(
                f"coarse has {len(self.coarse)} entries for {len(self.CLASSES)} classes; give one "
                "for each class"
            )
        if images[0].coarse is not None:
            raise HCSCError(
                f"{one_line_path(self.ann_file)} has coarse labels of its own; leave out coarse, "
                "or its third column"
            )
        return [image._replace(coarse=int(self.coarse[image.label])) for image in images]
