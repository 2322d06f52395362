"""Folders of links: the tree in any file manager or image viewer."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import HCSCError
from ...utils.progress import track
from ..tree import Tree

NAME = "folders"


def write(tree: Tree, out: Path) -> list[str]:
    """A folder for each node that has images, within its parent's, named as in hierarchy.json
    ('l1-3/l0-17'); in those of level 0 a link to each image, '<row>_<its name>'.

    Args:
        tree: The tree folder to export.
        out: Folder for it, without folders of an earlier export.

    Raises:
        HCSCError: the images have no files, there are nodes already, or links cannot be made.
    """
    if not tree.facts.root:
        raise HCSCError("folders of links need images in files, and this tree has none")
    if left := sorted(path.name for path in out.glob("l[0-9]*-*")):
        raise HCSCError(f"{out} holds {left[0]} of an earlier export; remove it, or give another")
    paths = tree.table.texts("path")
    for row in track(tree.readable.tolist(), "links"):
        nodes = [f"l{level}-{own[row]}" for level, own in reversed(list(enumerate(tree.path)))]
        folder = out.joinpath(*nodes)
        folder.mkdir(parents=True, exist_ok=True)
        file = os.path.abspath(tree.file(paths[row]))
        try:
            os.symlink(file, folder / f"{row}_{os.path.basename(file)}")
        except (OSError, NotImplementedError) as error:
            raise HCSCError(
                f"{folder} does not take links ({error}); choose a folder on a disk that does"
            ) from error
    return [f"open {out}: a folder per node, the images of level 0 as links"]
