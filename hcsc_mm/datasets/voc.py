"""PASCAL VOC's folders, also with classes of one's own."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from mmengine.logging import print_log
from mmpretrain.datasets import VOC as _VOC

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import one_line_path
from .file_kinds import same_text
from .sources import Source
from .text_list import find_listed, lines_by_number, read_lines

_MOST_NAMED = 5


@DATASETS.register_module()
class VOC(_VOC):
    """mmpretrain's ``VOC`` that says which names of objects are none of its classes, and which
    files are missing.

    Arguments are those of ``mmpretrain.VOC``; ``classes=('cat', 'dog')`` gives it classes of one's
    own in the place of the twenty.
    """

    def load_data_list(self) -> list[dict]:
        """All samples, each with ``gt_label`` and ``gt_label_difficult``.

        Raises:
            HCSCError: the list, an image or an annotation is missing or damaged, or no object has a
                name of the classes.
        """
        lines = lines_by_number(read_lines(self.image_set_path))
        if not lines:
            raise HCSCError(f"no image in the list {one_line_path(self.image_set_path)}")
        names = [(number, line.split()[0]) for number, line in lines]
        images = self._files(names, self.img_prefix, ".jpg")
        annotations = None
        if self.ann_prefix is not None:
            annotations = self._files(names, self.ann_prefix, ".xml")
        unknown: Counter[str] = Counter()
        known = {same_text(name): label for name, label in self.class_to_idx.items()}
        samples = []
        for row, image in enumerate(images):
            shown, difficult = (
                (None, None)
                if annotations is None
                else _labels(_objects(annotations[row]), known, unknown)
            )
            samples.append({"img_path": image, "gt_label": shown, "gt_label_difficult": difficult})
        if unknown:
            is_any_known = any(one["gt_label"] or one["gt_label_difficult"] for one in samples)
            self._tell(unknown, is_any_known)
        return samples

    def _files(self, names: list[tuple[int, str]], folder: str, ending: str) -> list[str]:
        """Paths of all, of which each must be there."""
        source = Source(folder, folder, self.image_set_path)
        found = find_listed([(number, [name + ending]) for number, name in names], source)
        return [source.path(path) for path, _ in found]

    def _tell(self, unknown: Counter[str], is_any_known: bool) -> None:
        first = ", ".join(
            f"{one_line_path(name)} ({number})" for name, number in unknown.most_common(_MOST_NAMED)
        )
        message = (
            f"{len(unknown)} names of objects in {one_line_path(self.ann_prefix)} are no classes "
            f"of the data set: {first}{', …' if len(unknown) > _MOST_NAMED else ''}; name them by "
            "classes=(...) if they are to count"
        )
        if not is_any_known:
            raise HCSCError(f"{message}; no object has a name that is one")
        print_log(message, "current", level=30)


def _objects(path: str) -> list[tuple[str, bool]]:
    """Name of each object in an annotation, and whether it is marked as difficult."""
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise HCSCError(
            f"{one_line_path(path)} is no annotation that can be read ({error}); get it again"
        ) from error
    objects = []
    for one in root.findall("object"):
        name = (one.findtext("name") or "").strip()
        if not name:
            raise HCSCError(f"{one_line_path(path)} has an object without a name; mend it")
        objects.append((name, (one.findtext("difficult") or "0").strip() == "1"))
    return objects


def _labels(
    objects: list[tuple[str, bool]], known: dict[str, int], unknown: Counter[str]
) -> tuple[list[int], list[int]]:
    """Labels of plain objects and of difficult ones, each once; names that are unknown are
    counted.
    """
    shown: set[int] = set()
    difficult: set[int] = set()
    for name, is_difficult in objects:
        label = known.get(same_text(name))
        if label is None:
            unknown[name] += 1
        else:
            (difficult if is_difficult else shown).add(label)
    return sorted(shown), sorted(difficult)
