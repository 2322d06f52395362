"""Trees in the format of tools/build_tree.py, made of random numbers, of any size."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
HOSTILE_LABEL = "<script>alert(2)</script> & \"quotes\", 'commas'"


class MadeImages:
    """Pictures whose colours and stripes follow their prototypes.

    Args:
        prototypes: (L, N) int, finest first.
        size: Pixels of a side.
        broken: Rows whose image cannot be read.
    """

    def __init__(self, prototypes: np.ndarray, size: int = 32, broken: Sequence[int] = ()) -> None:
        self.prototypes, self.size, self.broken = prototypes, size, frozenset(broken)
        self._y, self._x = np.mgrid[0:size, 0:size].astype(np.float32) / size

    def __len__(self) -> int:
        return self.prototypes.shape[1]

    def image(self, row: int) -> Image.Image:
        if row in self.broken:
            raise OSError("cannot identify image file")
        path = self.prototypes[:, row]
        random = np.random.default_rng(row)
        colours = [np.random.default_rng([9, int(p)]).uniform(40, 230, 3) for p in path[[-1, 0]]]
        angle = np.random.default_rng([8, int(path[0])]).uniform(0, np.pi) + random.normal(0, 0.1)
        wave = np.sin(
            12 * (self._x * np.cos(angle) + self._y * np.sin(angle)) + random.uniform(0, 6)
        )
        share = (wave[..., None] + 1) / 2
        pixels = share * colours[0] + (1 - share) * colours[1] + random.normal(0, 8)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def make_tree(
    folder: Path,
    num_images: int,
    num_prototypes: Sequence[int],
    *,
    dim: int = 16,
    path: Callable[[int], str] = lambda row: f"shelf_{row % 7}/image_{row:07d}.jpg",
    label: Callable[[int, np.ndarray], str | None] | None = None,
    unplaced: int = 0,
    parts: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Write images.parquet and hierarchy.json.

    Args:
        folder: That exists.
        num_images: N.
        num_prototypes: Per level, finest first.
        dim: Of the embeddings.
        path: Row → path.
        label: Row and its prototypes → label; None: no column of labels.
        unplaced: The last images could not be read and have no place in the tree.
        parts: Files of the table.
        seed: Of the random numbers.

    Returns:
        (L, N) int32 prototypes.
    """
    random = np.random.default_rng(seed)
    parents, centres = _made_prototypes(random, num_prototypes, dim)
    popularity = random.lognormal(0, 0.7, num_prototypes[0])
    prototypes = np.empty((len(num_prototypes), num_images), np.int32)
    prototypes[0] = random.choice(num_prototypes[0], num_images, p=popularity / popularity.sum())
    for level, parent in enumerate(parents):
        prototypes[level + 1] = parent[prototypes[level]]
    prototypes[:, num_images - unplaced :] = -1
    facts = _Facts(num_images)
    bounds = np.linspace(0, num_images, parts + 1).astype(int)
    target = folder / "images.parquet"
    if parts > 1:
        target.mkdir()
    for part, (start, end) in enumerate(itertools.pairwise(bounds)):
        file = target / f"part-{part:05d}.parquet" if parts > 1 else target
        _write_part(file, start, end, prototypes, centres, random, path, label, facts)
    nodes = _nodes(prototypes, parents, centres, facts, label is not None)
    hierarchy = {
        "version": 1,
        "levels": len(num_prototypes),
        "num_images": num_images,
        "root": _root(nodes, len(num_prototypes), num_images, facts),
        "nodes": nodes,
    }
    (folder / "hierarchy.json").write_text(json.dumps(hierarchy))
    return prototypes


class _Facts:
    """What is kept of the images for hierarchy.json."""

    def __init__(self, number: int) -> None:
        self.distance = np.full(number, np.nan, np.float32)
        self.outlier = np.zeros(number, np.float32)
        self.labels: dict[int, str] = {}


def _made_prototypes(
    random: np.random.Generator, numbers: Sequence[int], dim: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Parents per level but the last, and unit centres per level: children lie about parents."""
    centres = [_unit(random.normal(size=(numbers[-1], dim)))]
    parents: list[np.ndarray] = []
    for level in range(len(numbers) - 2, -1, -1):
        above = len(centres[0])
        parent = np.r_[np.arange(above), random.integers(0, above, numbers[level] - above)]
        parents.insert(0, parent.astype(np.int32))
        spread = random.normal(size=(numbers[level], dim)) * 0.6 / np.sqrt(dim)
        centres.insert(0, _unit(centres[0][parent] + spread))
    return parents, centres


def _write_part(file, start, end, prototypes, centres, random, path, label, facts) -> None:
    writer = None
    for first in range(start, end, 50_000):
        last = min(first + 50_000, end)
        own, placed = prototypes[:, first:last], prototypes[0, first:last] >= 0
        dim = centres[0].shape[1]
        noise = random.normal(size=(last - first, dim), scale=0.5 / np.sqrt(dim))
        embedding = _unit(centres[0][own[0]] + noise).astype(np.float16)
        distances = [
            np.linalg.norm(embedding - level[index], axis=1).astype(np.float32)
            for level, index in zip(centres, own, strict=True)
        ]
        outlier = (distances[0] / distances[0].max()) ** 2
        facts.distance[first:last], facts.outlier[first:last] = distances[0], outlier
        twins = np.arange(first, last) // 2
        group = np.where((twins % 50 == 0) & placed, twins // 50, -1).astype(np.int32)
        columns = {
            "path": [path(row) for row in range(first, last)],
            "embedding": pa.FixedSizeListArray.from_arrays(
                pa.array(embedding.ravel()), dim, mask=pa.array(~placed)
            ),
            **{
                f"prototype_{level}": pa.array(index, mask=~placed)
                for level, index in enumerate(own)
            },
            **{f"distance_{level}": values for level, values in enumerate(distances)},
            "margin": random.uniform(0, 0.3, last - first).astype(np.float32),
            "outlier_score": outlier.astype(np.float32),
            "neighbour": np.full(last - first, -1, np.int64),
            "neighbour_similarity": np.full(last - first, np.nan, np.float32),
            "duplicate_group": group,
            "x": random.uniform(size=last - first).astype(np.float32),
            "y": random.uniform(size=last - first).astype(np.float32),
            "unreadable": [None if here else "it is truncated" for here in placed],
        }
        if label:
            labels = [label(row, prototypes[:, row]) for row in range(first, last)]
            columns["label"] = labels
            facts.labels.update(zip(range(first, last), labels, strict=True))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    writer.close()


def _nodes(prototypes, parents, centres, facts, labelled) -> list[dict]:
    nodes = []
    total = prototypes.shape[1]
    for level, column in enumerate(prototypes):
        order = np.lexsort((facts.distance, column))
        numbers = np.arange(len(centres[level]))
        starts, ends = (np.searchsorted(column[order], numbers, side=s) for s in ("left", "right"))
        nearest = _nearest_siblings(level, parents, centres)
        for index in numbers.tolist():
            rows = order[starts[index] : ends[index]]
            labels = _count(facts.labels[row] for row in rows.tolist()) if labelled else []
            nodes.append(
                {
                    "id": f"l{level}-{index}",
                    "level": level,
                    "index": index,
                    "parent": f"l{level + 1}-{parents[level][index]}"
                    if level < len(parents)
                    else None,
                    "children": [
                        f"l{level - 1}-{c}" for c in (parents[level - 1] == index).nonzero()[0]
                    ]
                    if level
                    else [],
                    "count": len(rows),
                    "share": len(rows) / total,
                    "compactness": float(1 - facts.distance[rows].mean()) if len(rows) else None,
                    "name": labels[0][0] if labels else None,
                    "purity": labels[0][1] / len(rows) if labels else None,
                    "labels": labels,
                    "siblings": [f"l{level}-{sibling}" for sibling in nearest[index]],
                    **_shown(rows, facts),
                }
            )
    return nodes


def _root(nodes, levels, num_images, facts) -> dict:
    rows = np.argsort(facts.distance, kind="stable")
    totals: dict[str, int] = {}
    top = [node for node in nodes if node["level"] == levels - 1]
    for node in top:
        for name, number in node["labels"]:
            totals[name] = totals.get(name, 0) + number
    return {
        "id": "root",
        "level": levels,
        "parent": None,
        "children": [node["id"] for node in top],
        "count": num_images,
        "share": 1.0,
        "name": max(totals, key=totals.get) if totals else None,
        "purity": max(totals.values()) / sum(totals.values()) if totals else None,
        "labels": sorted(map(list, totals.items()), key=lambda pair: -pair[1]),
        "siblings": [],
        **_shown(rows, facts),
    }


def _shown(rows: np.ndarray, facts: _Facts) -> dict:
    by_score = rows[np.argsort(-facts.outlier[rows], kind="stable")]
    return {
        "representatives": rows[:12].tolist(),
        "edges": rows[::-1][:8].tolist(),
        "outliers": by_score[:8].tolist(),
    }


def _nearest_siblings(level, parents, centres) -> list[list[int]]:
    """Up to five children of the same parent, the most similar first."""
    own = centres[level]
    parent = parents[level] if level < len(parents) else np.zeros(len(own), int)
    nearest = []
    for index in range(len(own)):
        others = np.flatnonzero((parent == parent[index]) & (np.arange(len(own)) != index))
        order = np.argsort(-(own[others] @ own[index]), kind="stable")[:5]
        nearest.append(others[order].tolist())
    return nearest


def _count(labels) -> list[list]:
    counts: dict[str, int] = {}
    for label in labels:
        if label is not None:
            counts[label] = counts.get(label, 0) + 1
    return sorted(map(list, counts.items()), key=lambda pair: -pair[1])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
