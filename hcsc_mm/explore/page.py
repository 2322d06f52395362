"""The tree as a page: a folder that opens by double click, or from any web space.

Neither a server nor anything from outside is needed. What a view loads does not grow with the
collection: the treemap of a node is one script and one picture, a page of images one or two of
each; see docs/tree_page.md for the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import DataLoader, Dataset

from ..errors import HCSCError
from ..utils.progress import track
from .site.blocks import BLOCK, Blocks
from .site.cards import Cards
from .site.files import cannot_write, script, write_whole
from .site.nodes import ROOT
from .site.parquet import ImageTable
from .site.search import write_names
from .site.table import PageTable, open_table, read_table
from .site.thumbnails import COLUMNS, SHEET, Images, ImagesInFolder
from .site.views import Views
from .tables import white_of


@dataclass(frozen=True)
class PageOptions:
    """How the page looks and what it costs.

    Attributes:
        thumbnail_size: Pixels of a thumbnail's side, 16 to 512. At 128 a photograph takes about
            5 kB, at 96 3 kB, at 64 1.5 kB, at 32 0.5 kB. None: 128 for up to 100,000 images, 96
            for up to a million, 64 for more.
        quality: Quality of the thumbnails' JPEGs, 1 to 95.
        thumbnails_per_view: In a treemap, 16 to 1024, divided among its cells by their images.
        images_per_page: When the images of a node are shown, 10 to 500.
        neighbours: Most similar images stored per image, 0 to 100.
        originals: Address of the image root as seen from the page, such as ``../photos``; an
            image's card then has a link to the file itself. None: no link.
    """

    thumbnail_size: int | None = None
    quality: int = 80
    thumbnails_per_view: int = 256
    images_per_page: int = 120
    neighbours: int = 12
    originals: str | None = None

    def __post_init__(self) -> None:
        bounds = {
            "thumbnail_size": (16, 512),
            "quality": (1, 95),
            "thumbnails_per_view": (16, 1024),
            "images_per_page": (10, 500),
            "neighbours": (0, 100),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise HCSCError(f"{name}={value} of the page must lie in [{low}, {high}]")

    def fitting(self, num_images: int) -> PageOptions:
        """With a size of thumbnails that suits so many images, if none is given."""
        if self.thumbnail_size is not None:
            return self
        size = 128 if num_images <= 100_000 else 96 if num_images <= 1_000_000 else 64
        return replace(self, thumbnail_size=size)


def write_page(
    tree: str | os.PathLike,
    images: Images | str | os.PathLike,
    *,
    title: str | None = None,
    options: PageOptions | None = None,
    processes: int | None = None,
) -> Path:
    """Write ``index.html`` and the folder ``page`` into a tree's folder.

    Stopped anywhere, the same call goes on where it was; after the last file it does nothing.
    Files are whole or not there, and ``index.html`` comes last. Memory does not grow with the
    images but for about 300 bytes each, and each process takes what the interpreter takes.

    Args:
        tree: Folder with ``images.parquet`` and ``hierarchy.json``.
        images: Where thumbnails come from: the folder that the table's paths are relative to, or
            an object with a length and ``image(row)``, which returns a PIL image or raises.
            Images that cannot be read become crossed grey squares that tell the reason.
        title: Heading of the page; by default the name of the tree's folder.
        options: By default :class:`PageOptions()`.
        processes: That write thumbnails; by default one per core.

    Returns:
        Path of ``index.html``.

    Raises:
        HCSCError: an option is out of range, the tree is incomplete or its files do not belong
            together, the images are too few or too many, or the disk is full.
    """
    tree = Path(tree)
    options = (options or PageOptions()).fitting(ImageTable(tree).num_images)
    title = title or tree.resolve().name
    made_from = _digest(tree)
    settings = json.dumps([made_from, title, vars(options)])
    making, data = tree / "page/making", tree / "page/data"
    if not _is_finished(tree, settings):
        try:
            table = _table(tree, making, data, settings)
            white = white_of(ImageTable(tree).schema)
            images = _images(images, table, options, white)
            _write_data(table, images, data, options, processes or _cores())
            _write_summary(table, data, title, made_from, options)
        except OSError as error:
            raise cannot_write(making, error) from error
        write_whole(tree / "page/made_from.json", settings.encode())
        shutil.rmtree(making)
    return _write_assets(tree)


def remove_page(tree: Path) -> None:
    """Take the page away, ``index.html`` first: it would show a tree that is gone."""
    (tree / "index.html").unlink(missing_ok=True)
    shutil.rmtree(tree / "page", ignore_errors=True)


def _digest(tree: Path) -> str:
    """Of the tree's two files."""
    digest = hashlib.blake2b(digest_size=16)
    for path in [tree / "hierarchy.json", *ImageTable(tree).files]:
        try:
            with open(path, "rb") as file:
                while chunk := file.read(2**20):
                    digest.update(chunk)
        except FileNotFoundError as error:
            raise HCSCError(f"{tree} holds no {path.name}; build the tree first") from error
    return digest.hexdigest()


def _is_finished(tree: Path, settings: str) -> bool:
    made_from = tree / "page/made_from.json"
    return made_from.is_file() and made_from.read_text() == settings


def _table(tree: Path, making: Path, data: Path, settings: str) -> PageTable:
    """The columns in the order of the page, from an interrupted call if it was for the same."""
    begun = making / "settings.json"
    if begun.is_file() and begun.read_text() == settings:
        return open_table(making)
    (tree / "index.html").unlink(missing_ok=True)  # what it would show goes
    for old in (making, data):
        shutil.rmtree(old, ignore_errors=True)
    (tree / "page/made_from.json").unlink(missing_ok=True)
    making.mkdir(parents=True)
    table = read_table(tree, making)
    np.save(making / "num_unreadable.npy", np.zeros(-(-table.num_images // BLOCK), np.int32))
    write_whole(begun, settings.encode())
    return table


def _images(
    images: Images | str | os.PathLike, table: PageTable, options: PageOptions, white: float | None
) -> Images:
    if isinstance(images, str | os.PathLike):
        if not Path(images).is_dir():
            raise HCSCError(f"the image folder {os.fspath(images)!r} does not exist")
        side = 2 * options.thumbnail_size
        return ImagesInFolder(images, table.paths, at_least=side, white=white)
    if len(images) != table.num_images:
        raise HCSCError(
            f"{len(images)} images were given for a table of {table.num_images}; give those that "
            "the tree was built from"
        )
    return images


def _write_data(
    table: PageTable, images: Images, data: Path, options: PageOptions, processes: int
) -> None:
    look = {"folder": data, "size": options.thumbnail_size, "quality": options.quality}
    blocks = Blocks(
        cards=Cards(table).fresh(), images=images, neighbours=options.neighbours, **look
    )
    _write_all(blocks, processes, "thumbnails")
    opened = tuple(node.id for node in table.nodes.values() if node.level > 0)
    views = Views(
        cards=Cards(table).fresh(), ids=opened, budget=options.thumbnails_per_view, **look
    )
    _write_all(views, processes, "treemaps")
    write_names(table, data)


def _write_all(items: Dataset, processes: int, description: str) -> None:
    """Fetch every item, which writes it."""
    workers = min(processes, len(items))
    loader = DataLoader(items, batch_size=None, num_workers=workers if workers > 1 else 0)
    try:
        for _ in track(loader, description):
            pass
    except HCSCError as error:
        raise HCSCError(error.one_line()) from error


def _write_summary(
    table: PageTable, data: Path, title: str, made_from: str, options: PageOptions
) -> None:
    num_unreadable = int(table.num_unreadable.sum())
    summary = {
        "title": title,
        "tree": made_from,
        "numImages": table.num_images,
        "numPlaced": table.num_placed,
        "numUnreadable": num_unreadable,
        "levels": table.levels,
        "root": ROOT,
        "thumbnail": options.thumbnail_size,
        "columns": COLUMNS,
        "sheet": SHEET,
        "block": BLOCK,
        "perPage": options.images_per_page,
        "originals": options.originals,
    }
    write_whole(data / "summary.js", script("summary", summary))
    if num_unreadable:
        print_log(
            f"{num_unreadable} of {table.num_images} images cannot be read; on the page they are "
            "crossed grey squares that tell the reason",
            "current",
            level=30,
        )


def _write_assets(tree: Path) -> Path:
    """The page itself, renewed at every call: a newer version comes to trees that are there."""
    assets = files("hcsc_mm.explore") / "assets"
    for asset in sorted(assets.iterdir(), key=lambda path: path.name == "index.html"):
        folder = tree if asset.name == "index.html" else tree / "page"
        write_whole(folder / asset.name, asset.read_bytes())
    return tree / "index.html"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
