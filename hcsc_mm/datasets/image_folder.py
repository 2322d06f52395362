"""Any folder of images, without labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from ..errors import HCSCError
from ..registry import DATASETS
from ..utils.text import one_line_path
from .file_kinds import EXTENSIONS, check_extensions
from .image_memory import ImageMemory, check_options
from .label_list import log_not_read, log_repeated, path_of_line
from .range_of_set import loaders, settle
from .sources import Source, sources_of
from .text_list import find_listed, lines_by_number, read_lines, repeated
from .transforms.load_image import MEMORY_KEY


@DATASETS.register_module()
class ImageFolder(CustomDataset):
    """All images under a folder, at any depth, in sorted order; or under several, one after the
    other.

    mmpretrain's ``CustomDataset(with_label=False)`` with a clear word for a folder that is missing
    or holds no image, a walk that ends where links form a loop, a line in the log on what is no
    image, and samples that know which unreadable images they stand in for.

    Args:
        data_root: The folder, or a list of folders. '~' is the home directory. A zip, or a tar
            without compression, is a folder, too; so is an address that one of mmengine's file back
            ends lists ('s3://bucket/photos').
        ann_file: Optional list of image paths relative to the folder, one a line; of several
            folders a list for each, or a name that each of them has. A label behind the path is not
            read.
        data_prefix: Folder under ``data_root`` that holds the images; paths are relative to it.
        max_refetch: How many unreadable images in a row are replaced by others before the run
            stops.
        extensions: Endings of images' names, in small letters or capitals; those of all formats
            that can be read here by default.
        backend_args: Arguments of mmengine's file back end, such as ``dict(backend='lmdb',
            db_path=...)``; None: the address tells.
        memory: Options of :class:`ImageMemory`, to keep the images in memory once they are decoded;
            None decodes them in each epoch. ``dict()`` keeps them as they are in at most half of
            the memory that is free.
        **kwargs: Further arguments of mmpretrain's ``CustomDataset``.

    Attributes:
        sources: Where the images are, see :class:`Source`.
    """

    def __init__(
        self,
        data_root: str | Sequence[str] = "",
        ann_file: str | Sequence[str] = "",
        data_prefix: str | Mapping[str, str] = "",
        max_refetch: int = 100,
        extensions: str | Sequence[str] = EXTENSIONS,
        backend_args: Mapping[str, Any] | None = None,
        memory: Mapping[str, Any] | None = None,
        **kwargs,
    ) -> None:
        self.memory: ImageMemory | None = None
        self._memory_options = None if memory is None else check_options(memory)
        self.sources = sources_of(data_root, ann_file, data_prefix, backend_args)
        self.backend_args = backend_args
        kwargs.setdefault("with_label", False)
        super().__init__(
            data_root=os.path.expanduser(self.sources[0].root) or os.curdir,
            max_refetch=max_refetch,
            extensions=check_extensions(extensions),
            **kwargs,
        )

    def _join_prefix(self) -> None:
        """Done by :func:`sources_of`: mmengine's knows one folder, and few addresses."""
        self.data_prefix = {"img_path": self.sources[0].folder}
        self.ann_file = self.sources[0].ann_file

    def full_init(self) -> None:
        """List the images, let the loaders of the pipeline know what they are like, and make room
        for them if they are to be kept in memory.
        """
        if self._fully_initialized:
            return
        super().full_init()
        settle(self, self.pipeline)
        if self._memory_options is not None:
            if self.pipeline.transforms and not list(loaders(self.pipeline)):
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
        """All samples.

        Raises:
            HCSCError: there is no image, or a list names some that do not exist.
        """
        if self.with_label:
            raise HCSCError("hcsc_mm.ImageFolder has no labels; use hcsc_mm.LabelledImages")
        paths = [source.path(path) for source in self.sources for path in self.paths_of(source)]
        if not paths:
            raise self._no_image()
        return [{"img_path": path} for path in paths]

    def paths_of(self, source: Source) -> list[str]:
        """Paths relative to a source, of all its images or of those that its list names."""
        return self._listed(source) if source.ann_file else self._found(source)

    def _found(self, source: Source) -> list[str]:
        """Paths relative to the source of all its images; the log says what was not taken."""
        listing = source.list(self.extensions)
        listing.log(source.root)
        return listing.paths

    def _listed(self, source: Source) -> list[str]:
        """Those of its list."""
        lines = lines_by_number(read_lines(source.ann_file, source.backend_args))
        if not lines:
            raise HCSCError(
                f"no image in the list {one_line_path(source.ann_file)}; it needs a path a line"
            )
        candidates = [path_of_line(line) for _, line in lines]
        found = find_listed(
            [(number, paths) for (number, _), paths in zip(lines, candidates, strict=True)], source
        )
        labelled = sum(
            paths[place] != line
            for (_, line), paths, (_, place) in zip(lines, candidates, found, strict=True)
        )
        if labelled:
            print_log(
                f"{labelled} of {len(lines)} lines of {one_line_path(source.ann_file)} have a "
                "label behind the path, which hcsc_mm.ImageFolder does not read",
                "current",
            )
        paths = [path for path, _ in found]
        log_repeated(repeated(paths), [number for number, _ in lines], source.ann_file)
        log_not_read(paths, source.ann_file)
        return paths

    def _no_image(self) -> HCSCError:
        where = " or ".join(one_line_path(source.folder) for source in self.sources)
        return HCSCError(
            f"no image under {where}; supported are {', '.join(sorted(self.extensions))}"
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
        root = one_line_path(", ".join(source.root for source in self.sources))
        raise HCSCError(
            f"{len(skipped)} images in a row cannot be read, the first is {path}; see whether "
            f"{root} is still there"
        )
