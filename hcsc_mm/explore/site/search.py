"""The index of file names: chunks, sorted, that the page goes through one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...utils.progress import track
from .files import script, write_whole
from .table import PageTable

CHUNK = 8192  # names in a file
_KEY = 24  # bytes of a name that the order goes by


def write_names(table: PageTable, folder: Path) -> None:
    """Write the names of all images and of all nodes.

    Sorted by file name, so that the chunk in which a name that begins as typed must lie comes
    first; the others follow, since what is typed may stand anywhere in a path. Memory: 40 bytes
    per image.

    Args:
        table: The tree's table of images.
        folder: Folder of the page's data.
    """
    index = folder / "names" / "index.js"
    if index.is_file():
        return
    order = _order(table)
    bounds = []
    for number, start in enumerate(track(range(0, len(order), CHUNK), "names for the search")):
        rows = order[start : start + CHUNK]
        paths = [table.paths[int(row)] for row in rows]
        bounds.append([_key(paths[0]), _key(paths[-1])])
        # No path holds a zero byte; one string is searched much faster than thousands.
        chunk = {"paths": "\0".join(paths), "positions": table.positions[rows].tolist()}
        write_whole(folder / "names" / f"{number}.js", script(f"names/{number}", chunk))
    nodes = [node for node in table.nodes.values() if node.trail]
    place = {node.id: number for number, node in enumerate(nodes)}
    parents = [place[node.trail[-2]] if len(node.trail) > 1 else -1 for node in nodes]
    tree = {
        "ids": [node.id for node in nodes],
        "names": [node.name for node in nodes],
        "counts": [node.count for node in nodes],
        "starts": [node.start for node in nodes],
        "parents": parents,
    }
    write_whole(folder / "names" / "nodes.js", script("names/nodes", tree))
    write_whole(index, script("names/index", {"bounds": bounds, "chunk": CHUNK}))


def _order(table: PageTable) -> np.ndarray:
    """(N,) rows, sorted by the beginnings of their file names."""
    keys = np.empty(table.num_images, f"S{_KEY}")
    for row in track(range(table.num_images), "sorting names"):
        keys[row] = _key(table.paths[row]).encode()[:_KEY]
    return np.argsort(keys, kind="stable")


def _key(path: str) -> str:
    """The beginning of the file name as the search compares it."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name.lower()[:_KEY]
