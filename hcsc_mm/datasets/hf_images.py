"""Images of a Hugging Face data set that lies on disk: Arrow or Parquet files, mapped into memory.

A file back end of mmengine hands out the encoded images, so that loaders, limits and messages are
those of files; nothing is unpacked, and a row is read where it lies.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from mmengine.fileio import BaseStorageBackend, register_backend

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import first_line, one_line_path
from .image_folder import ImageFolder
from .local_stores import ROWS as PREFIX

_MARK = "!"  # between the data set, its split and its column
_AT_A_TIME = 10_000  # rows
_LOOKED_AT = 64  # rows whose pictures are read to tell data sets apart


@DATASETS.register_module()
class HFImages(ImageFolder):
    """A data set of Hugging Face's ``datasets`` library, read from disk.

    Args:
        path: Folder that ``save_to_disk`` has written, or a Parquet file or a folder of them.
            Parquet is converted once, by that library, into its cache (``HF_DATASETS_CACHE``).
        split: Which of its splits; may be left out where there is one.
        image_key: Column of the images, of the library's type ``Image``.
        label_key: Column of integer labels, of the type ``ClassLabel`` or int; None: no labels.
        **kwargs: Further arguments of :class:`ImageFolder`, such as ``pipeline``.

    Raises:
        HCSCError: there is no such data set, split or column, or the images are not in it.
    """

    def __init__(
        self,
        path: str,
        split: str | None = None,
        image_key: str = "image",
        label_key: str | None = None,
        **kwargs,
    ) -> None:
        folder = os.path.abspath(os.path.expanduser(path))
        splits = open_splits(folder)
        if split is None and len(splits) == 1:
            split = next(iter(splits))
        if split not in splits:
            raise HCSCError(
                f"{one_line_path(path)} has the splits {', '.join(splits)}, and split={split!r} is "
                "none of them"
            )
        self.folder, self.split = folder, split
        self.image_key, self.label_key = image_key, label_key
        for name, key in (("image_key", image_key), ("label_key", label_key)):
            if key is not None and key not in self.rows.column_names:
                raise HCSCError(
                    f"{one_line_path(path)} has no column {name}={key!r}; it has "
                    f"{', '.join(self.rows.column_names)}"
                )
        _check_images(self.rows, image_key)
        names = getattr(self.rows.features[label_key], "names", None) if label_key else None
        kwargs.setdefault("classes", names)
        root = f"{PREFIX}://{folder}{_MARK}{split}{_MARK}{image_key}"
        super().__init__(data_root=root, **kwargs)

    @property
    def rows(self) -> Any:
        """The ``datasets.Dataset``; a worker that is spawned maps the files itself."""
        return open_splits(self.folder)[self.split]

    def load_data_list(self) -> list[dict]:
        """A sample for each row. Its name tells data sets apart: it has the size of the encoded
        image, and of some rows a checksum, too.
        """
        rows = _encoded(self.folder, self.split, self.image_key)
        sizes = list(_sizes(rows, self.image_key))
        lost = next((row for row, size in enumerate(sizes) if size is None), None)
        if lost is not None:
            raise HCSCError(
                f"row {lost} of {one_line_path(self.sources[0].root)} has no image in it, but the "
                "name of a file elsewhere; open the data set where the files are, and save it with "
                "save_to_disk, which takes them in"
            )
        names = [f"{row:07d}-{size}" for row, size in enumerate(sizes)]
        for row in np.linspace(0, len(names) - 1, min(_LOOKED_AT, len(names))).astype(int).tolist():
            names[row] += f"-{zlib.crc32(rows[row][self.image_key]['bytes']):08x}"
        paths = [self.sources[0].path(name) for name in names]
        if self.label_key is None:
            return [{"img_path": path} for path in paths]
        labels = self.rows.with_format("numpy")[self.label_key][:]
        return [
            {"img_path": path, "gt_label": int(label)}
            for path, label in zip(paths, labels, strict=True)
        ]


@register_backend("hcsc_hf", prefixes=PREFIX)
class RowsBackend(BaseStorageBackend):
    """Encoded images at ``hf:///path/to/folder!split!column/0000017-58231``."""

    def get(self, filepath: str) -> bytes:
        root, _, name = filepath.removeprefix(f"{PREFIX}://").rpartition("/")
        folder, split, key = root.rsplit(_MARK, 2)
        rows = _encoded(folder, split, key)
        return rows[int(name.partition("-")[0])][key]["bytes"]

    def get_text(self, filepath: str, encoding: str = "utf-8") -> str:
        return self.get(filepath).decode(encoding)


@lru_cache(maxsize=16)
def open_splits(folder: str) -> dict[str, Any]:
    """Split → ``datasets.Dataset``; opened once in a process, whose forks inherit the mapping.

    Raises:
        HCSCError: the library is not installed, or nothing of its kind lies there.
    """
    try:
        import datasets
    except ImportError as error:
        raise HCSCError(
            f"hcsc_mm.HFImages needs datasets ({error}); pip install datasets"
        ) from None
    place = Path(folder)
    if not place.exists():
        raise HCSCError(f"{one_line_path(folder)} does not exist; set path to a data set on disk")
    files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
    try:
        if files:
            found = datasets.load_dataset("parquet", data_files=_by_split(files))
        else:
            found = datasets.load_from_disk(folder)
    except (OSError, ValueError, pa.ArrowInvalid, datasets.exceptions.DatasetsError) as error:
        raise HCSCError(
            f"{one_line_path(folder)} holds no data set that Hugging Face's library opens "
            f"({first_line(error)}); give the folder of save_to_disk, or of Parquet files"
        ) from error
    return dict(found) if isinstance(found, datasets.DatasetDict) else {"all": found}


def _by_split(files: list[Path]) -> dict[str, list[str]]:
    """Parquet files by the word that their names begin with, as the library writes them:
    'train-00000-of-00041.parquet'.
    """
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(re.split(r"[-.]", file.name)[0], []).append(str(file))
    return found


def _check_images(rows: Any, key: str) -> None:
    kind = rows.features[key]
    if type(kind).__name__ != "Image":
        raise HCSCError(
            f"column {key!r} holds {kind}, and not images; cast it: "
            f"dataset.cast_column({key!r}, datasets.Image())"
        )


@lru_cache(maxsize=16)
def _encoded(folder: str, split: str, key: str) -> Any:
    """The rows of a split with one column, whose images stay as they are in the file."""
    rows = open_splits(folder)[split]
    return rows.select_columns([key]).cast_column(key, type(rows.features[key])(decode=False))


def _sizes(rows: Any, key: str) -> Iterator[int | None]:
    """Bytes of each encoded image; None where a row only names a file. No image is read."""
    for batch in rows.with_format("arrow").iter(batch_size=_AT_A_TIME):
        yield from pc.binary_length(pc.struct_field(batch[key], "bytes")).to_pylist()
