"""What the page tells of a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .files import number
from .nodes import Node
from .table import PageTable

# Per card.
_LABELS, _SIBLINGS, _GROUPS, _GROUP_MEMBERS = 20, 8, 8, 12
_SHOWN = {"representatives": 16, "edges": 12, "outliers": 12}


@dataclass(frozen=True)
class Duplicates:
    """Near-duplicate groups, ready to be asked for by run.

    Attributes:
        positions: (M,) of the images that are in a group, ascending.
        groups: (M,) their groups.
    """

    positions: np.ndarray
    groups: np.ndarray

    def groups_of(self, groups: Sequence[int]) -> dict[int, list[int]]:
        """The first members of some groups, wherever they lie."""
        wanted = np.unique([group for group in groups if group >= 0])
        starts, ends = (np.searchsorted(self._sorted[0], wanted, side=s) for s in ("left", "right"))
        return {
            int(group): self._sorted[1][start : min(end, start + _GROUP_MEMBERS)].tolist()
            for group, start, end in zip(wanted, starts, ends, strict=True)
        }

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Groups, ascending, and their members' positions."""
        order = np.lexsort((self.positions, self.groups))
        return self.groups[order], self.positions[order]

    def within(self, node: Node) -> tuple[int, list[list[int]]]:
        """How many groups have two images or more in the node; the first images of the largest."""
        part = slice(*np.searchsorted(self.positions, [node.start, node.end]))
        positions, groups = self.positions[part], self.groups[part]
        _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
        largest = np.argsort(-counts, kind="stable")[:_GROUPS]
        members = [positions[inverse == group][:_GROUP_MEMBERS].tolist() for group in largest]
        return int((counts > 1).sum()), [group for group in members if len(group) > 1]


@dataclass(frozen=True)
class Cards:
    """Makes the cards of nodes.

    Attributes:
        table: The tree's table of images.
    """

    table: PageTable

    def fresh(self) -> Cards:
        """The same without anything read so far, to be handed to another process."""
        return Cards(replace(self.table))

    @cached_property
    def duplicates(self) -> Duplicates:
        groups = self.table.column("duplicate_group")
        positions = np.flatnonzero(groups >= 0)
        return Duplicates(positions, np.asarray(groups[positions]))

    def card(self, node: Node) -> dict:
        """What the page shows beside a node; images by position."""
        facts, nodes = node.facts, self.table.nodes
        labels = facts.get("labels") or []
        siblings = [nodes[one] for one in facts.get("siblings") or [] if one in nodes]
        num_groups, groups = self.duplicates.within(node)
        return {
            **self.summary(node),
            "trail": self.trail(node),
            "empty": node.num_empty,
            "share": node.count / max(self.table.num_images, 1),
            "labels": [[str(label), int(count)] for label, count in labels[:_LABELS]],
            # Images with a label: hierarchy.json lists the most frequent labels only.
            "labelled": round(labels[0][1] / facts["purity"]) if labels else 0,
            "siblings": [
                {**self.summary(one), "trail": self.trail(one), "face": self.face(one)}
                for one in siblings[:_SIBLINGS]
            ],
            **{key: self.images(node, key) for key in _SHOWN},
            "numGroups": num_groups,
            "groups": groups,
        }

    def summary(self, node: Node) -> dict:
        """What a cell of the treemap tells."""
        return {
            "id": node.id,
            "level": node.level,
            "start": node.start,
            "count": node.count,
            "name": node.name,
            "compactness": number(node.facts.get("compactness"), 4),
            "purity": number(node.facts.get("purity"), 4),
        }

    def trail(self, node: Node) -> list[list[str]]:
        """Id and name of every node from the top down to it."""
        return [[one, self.table.nodes[one].name] for one in node.trail]

    def face(self, node: Node) -> int:
        """The image that stands for it."""
        return (self.images(node, "representatives") or [node.start])[0]

    def images(self, node: Node, key: str) -> list[int]:
        """Positions of what hierarchy.json names as rows."""
        rows: Sequence[int] = node.facts.get(key) or []
        return [int(self.table.positions[row]) for row in rows[: _SHOWN[key]]]
