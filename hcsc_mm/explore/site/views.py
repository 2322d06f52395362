"""One shard and one sprite for every node that is opened as a treemap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from .cards import Cards
from .files import script, write_whole
from .nodes import Node
from .thumbnails import Sheets, sheet

_MOST_FACES = 6  # of a child however small, where there is room
_MOST_CHILDREN = 1024  # with thumbnails


@dataclass(frozen=True)
class Views(Dataset):
    """Item v writes view v if it is not there yet, what the treemap of a node shows, and is v.

    Attributes:
        cards: Cards of the tree's nodes.
        ids: Names of the nodes that have children.
        folder: Folder of the page's data; the blocks are written.
        size: Side of a thumbnail, in pixels.
        quality: Quality of the JPEG, 1 to 95.
        budget: Thumbnails in a treemap, divided among the children by their number of images.
    """

    cards: Cards
    ids: tuple[str, ...]
    folder: Path
    size: int
    quality: int
    budget: int

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> int:
        node = self.cards.table.nodes[self.ids[number]]
        path = self.folder / "nodes" / f"{node.id}.js"
        if path.is_file():
            return number
        card = self.cards.card(node)
        children = self._children(node)
        shown = [position for child in children for position in child["faces"]]
        for key in ("representatives", "edges", "outliers"):
            shown += card[key]
        shown += [one["face"] for one in card["siblings"]]
        shown += [position for group in card["groups"] for position in group]
        positions = list(dict.fromkeys(shown))
        tiles = Sheets(self.folder, self.size).tiles(positions)
        write_whole(path.with_suffix(".jpg"), sheet(tiles, self.size, self.quality))
        view = {**card, "children": children, "sprite": positions}
        write_whole(path, script(f"nodes/{node.id}", view))
        return number

    def _children(self, node: Node) -> list[dict]:
        children = [self.cards.table.nodes[child] for child in node.children]
        least = min(_MOST_FACES, max(1, self.budget // max(len(children), 1)))
        return [
            {
                **self.cards.summary(child),
                "leaf": child.level == 0,
                "faces": self._faces(
                    child, max(least, round(self.budget * child.count / node.count))
                )
                if place < _MOST_CHILDREN
                else [],
            }
            for place, child in enumerate(children)
        ]

    def _faces(self, node: Node, number: int) -> list[int]:
        """Images of a node in the order of the tree: from each of its leaves as many as its share,
        those nearest to the prototype.
        """
        number = min(number, node.count)
        drawn = node.start + (np.arange(number) + 0.5) * node.count / number
        starts = self.cards.table.leaf_starts
        leaf = starts.searchsorted(drawn, side="right") - 1
        first = np.r_[True, np.diff(leaf) > 0]
        rank = np.arange(number) - np.flatnonzero(first)[np.cumsum(first) - 1]
        return (starts[leaf] + rank).tolist()
