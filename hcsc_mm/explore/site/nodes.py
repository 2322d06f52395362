"""The nodes of a tree, each with its run of images."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import HCSCError

ROOT = "root"


@dataclass(frozen=True)
class Node:
    """A prototype, or the root.

    Attributes:
        id: Name of the node in hierarchy.json; ``root`` for the root.
        level: 0 is the finest; the root's is the number of levels.
        trail: Ids from a child of the root down to this node; empty for the root.
        children: Ids of those with images, the largest first.
        num_empty: Children without an image.
        start: Position of its first image: a node's images are a run of positions.
        count: Number of its images.
        facts: What hierarchy.json says of it.
    """

    id: str
    level: int
    trail: tuple[str, ...]
    children: tuple[str, ...]
    num_empty: int
    start: int
    count: int
    facts: dict

    @property
    def end(self) -> int:
        return self.start + self.count

    @property
    def name(self) -> str:
        return str(self.facts.get("name") or "")


def read_hierarchy(tree: Path) -> dict:
    """``hierarchy.json`` of a tree.

    Raises:
        HCSCError: it is missing, damaged, or of a version that is unknown here.
    """
    path = tree / "hierarchy.json"
    try:
        hierarchy = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HCSCError(f"{tree} holds no hierarchy.json; build the tree first") from error
    except (OSError, ValueError) as error:
        raise HCSCError(f"{path} is damaged ({error}); build the tree again") from error
    if not isinstance(hierarchy, dict) or hierarchy.get("version") != 1:
        raise HCSCError(f"{path} is not of version 1; build the tree again")
    for node in hierarchy["nodes"]:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", node["id"]):
            raise HCSCError(f"{path}: {node['id']!r} is no id of a node; build the tree again")
    return hierarchy


def arrange(hierarchy: dict, prototypes: np.ndarray, num_placed: int) -> dict[str, Node]:
    """Every node that has images, by its id, parents before their children.

    Args:
        hierarchy: What :func:`read_hierarchy` gave.
        prototypes: (L, N) int32, in the order of the page; the first ``num_placed`` are in the
            tree.
        num_placed: How many images are.

    Raises:
        HCSCError: hierarchy.json and images.parquet do not tell of the same tree.
    """
    facts = {node["id"]: node for node in hierarchy["nodes"]}
    runs = _runs(hierarchy, prototypes[:, :num_placed])
    top = hierarchy["levels"] - 1
    children: dict[str, list[str]] = {ROOT: []}
    for identity, node in facts.items():
        parent = ROOT if node["level"] == top else node["parent"]
        children.setdefault(parent, []).append(identity)
    root = {**hierarchy.get("root", {}), "count": num_placed}
    nodes: dict[str, Node] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [(ROOT, ())]
    while waiting:
        identity, trail = waiting.pop()
        own = children.get(identity, [])
        filled = sorted((c for c in own if c in runs), key=lambda c: (-runs[c][1], runs[c][0]))
        start, count = (0, num_placed) if identity == ROOT else runs[identity]
        nodes[identity] = Node(
            id=identity,
            level=top + 1 if identity == ROOT else facts[identity]["level"],
            trail=trail,
            children=tuple(filled),
            num_empty=len(own) - len(filled),
            start=start,
            count=count,
            facts=root if identity == ROOT else facts[identity],
        )
        waiting += [(child, (*trail, child)) for child in reversed(filled)]
    _check(nodes, runs)
    return nodes


def _runs(hierarchy: dict, prototypes: np.ndarray) -> dict[str, tuple[int, int]]:
    """Start and number of every node's images, by id."""
    ids = {(node["level"], node["index"]): node["id"] for node in hierarchy["nodes"]}
    runs: dict[str, tuple[int, int]] = {}
    for level, column in enumerate(prototypes):
        changes = np.flatnonzero(np.diff(column)) + 1
        starts = np.concatenate([[0], changes]) if len(column) else changes
        ends = np.append(starts[1:], len(column))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            identity = ids.get((level, int(column[start])))
            if identity is None or identity in runs:
                raise _do_not_belong_together(
                    f"prototype {int(column[start])} of level {level} is not in hierarchy.json"
                    if identity is None
                    else f"{identity} lies under more than one parent"
                )
            runs[identity] = (start, end - start)
    return runs


def _check(nodes: dict[str, Node], runs: dict[str, tuple[int, int]]) -> None:
    for identity, (start, count) in runs.items():
        node = nodes.get(identity)
        if node is None:
            raise _do_not_belong_together(f"no parent of {identity} is in hierarchy.json")
        if node.facts["count"] != count:
            raise _do_not_belong_together(
                f"{identity} has {node.facts['count']} images in one and {count} in the other"
            )
        parent = nodes[node.trail[-2]] if len(node.trail) > 1 else nodes[ROOT]
        if not (parent.start <= start and start + count <= parent.end):
            raise _do_not_belong_together(f"{identity} has another parent in each")


def _do_not_belong_together(why: str) -> HCSCError:
    return HCSCError(
        f"hierarchy.json and images.parquet do not tell of the same tree: {why}; build it again"
    )
