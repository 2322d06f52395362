"""TensorBoard's embedding projector: two tables and a sprite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from ...utils.files import write_text, written_whole
from ...utils.progress import track
from ..sampling import sample_balanced
from ..tree import Tree
from .thumbnails import Thumbnails

NAME = "projector"
_LARGEST_SPRITE = 8192  # pixels a side: what browsers take as a texture
_SIDES = (64, 48, 32)  # of a thumbnail, the largest that fits
MOST_IMAGES = (_LARGEST_SPRITE // _SIDES[-1]) ** 2


def write(tree: Tree, out: Path) -> list[str]:
    """``embeddings.tsv``, ``metadata.tsv``, ``sprite.png`` and ``projector_config.pbtxt``.

    A sprite holds 65,536 images at most: of more, so many are drawn, evenly over the tree.

    Args:
        tree: The tree folder to export.
        out: Folder for it; the log folder of TensorBoard.
    """
    rows = tree.readable
    if len(rows) > MOST_IMAGES:
        rows = rows[sample_balanced([level[rows] for level in tree.path], MOST_IMAGES)]
        print_log(
            f"the projector takes {MOST_IMAGES} of the {len(tree.readable)} images, drawn evenly "
            "over the tree",
            "current",
        )
    _write_embeddings(tree, rows, out / "embeddings.tsv")
    paths = tree.table.texts("path")
    columns = {"path": paths}
    columns |= {f"prototype_{n}": own.tolist() for n, own in enumerate(tree.path)}
    if "label" in tree.table.columns:
        columns["label"] = tree.table.texts("label")
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(values[row]) for values in columns.values()) for row in rows.tolist()]
    write_text(out / "metadata.tsv", "\n".join(lines) + "\n")
    side = _write_sprite(tree, [paths[row] for row in rows.tolist()], out / "sprite.png")
    sprite = (
        f"  sprite {{ image_path: 'sprite.png' single_image_dim: {side} single_image_dim: {side} }}"
        if side
        else ""
    )
    config = [
        "embeddings {",
        "  tensor_name: 'hcsc_mm'",
        "  tensor_path: 'embeddings.tsv'",
        "  metadata_path: 'metadata.tsv'",
        *([sprite] if sprite else []),
        "}",
    ]
    write_text(out / "projector_config.pbtxt", "\n".join(config) + "\n")
    return [f"pip install tensorboard && tensorboard --logdir {out}"]


def _write_embeddings(tree: Tree, rows: np.ndarray, file: Path) -> None:
    wanted = np.zeros(tree.table.num_rows, bool)
    wanted[rows] = True
    start = 0
    with written_whole(file) as aside, open(aside, "w", encoding="ascii") as text:
        for piece in tree.table.embeddings():
            np.savetxt(text, piece[wanted[start : start + len(piece)]], fmt="%.5g", delimiter="\t")
            start += len(piece)


def _cell(value: object) -> str:
    """Without tabs and line breaks, which would be read as further cells."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else " " for char in text)


def _write_sprite(tree: Tree, paths: list[str], file: Path) -> int:
    """All thumbnails in rows of a square; returns a thumbnail's side, 0 without files."""
    if not tree.facts.root:
        return 0
    across = int(np.ceil(np.sqrt(len(paths))))
    side = next(one for one in _SIDES if one * across <= _LARGEST_SPRITE)
    thumbnails = Thumbnails(tree, side)
    sprite = Image.new("RGB", (side * across, side * across))
    for place, path in enumerate(track(paths, "sprite")):
        sprite.paste(thumbnails.square(path), (side * (place % across), side * (place // across)))
    with written_whole(file) as aside:
        sprite.save(aside, "PNG")
    return side
