"""A tree and new images behind its own: their columns, and the files of both together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ..structures import PrototypeHierarchy
from .columns import Columns, place_all
from .duplicates import duplicate_groups
from .embedding import Embeddings
from .neighbours import Neighbours, find_neighbours
from .nodes import Labels, describe_tree
from .results import HIERARCHY, NODES, SIGNATURES
from .site.parquet import matrix
from .tables import Rows, pieces, write_tables
from .tree import Tree
from .whole_files import open_array, write_array, write_json

_NEAR = 3  # images whose places a new one lies between


class ExtendedTree:
    """A tree's images that can be read, and the new ones behind them: n of them.

    Args:
        tree: Stays as it is until :meth:`write`.
        new: Embeddings of the new images, from the tree's weights.
        work: Folder for what is needed only until the tree is written.
        exhaustive: Images up to which all are compared with all, see
            :func:`~hcsc_mm.explore.neighbours.search`.

    Attributes:
        num_old: How many are the tree's.
        new: Embeddings of the new images.
        columns: Columns of all n images, by name.
    """

    def __init__(self, tree: Tree, new: Embeddings, work: Path, exhaustive: int) -> None:
        self.tree, self.new, self.work = tree, new, work
        self.num_old = len(tree.readable)
        self.rows = np.concatenate([tree.readable, tree.table.num_rows + new.rows])
        self.embedding = self._join_embeddings()
        self.signature = self._join_signatures()
        self.hierarchy = self._place()
        self.columns: Columns = place_all(self.hierarchy, self.embedding)
        self.neighbours: Neighbours = find_neighbours(
            self.embedding,
            self.columns.prototypes[0],
            self.hierarchy.prototypes[0].numpy(),
            self.signature,
            work,
            exhaustive,
            since=self.num_old,
        )

    def _join_embeddings(self) -> NDArray:
        file = self.work / "embedding.npy"

        def parts() -> Iterator[NDArray]:
            for batch in self.tree.table.batches(["embedding", "prototype_0"]):
                readable = batch.column(1).to_numpy() >= 0
                rows = matrix(batch.column(0))[readable].astype(np.float32)
                yield rows / np.linalg.norm(rows, axis=1, keepdims=True)  # of half precision
            for one in pieces(len(self.new.rows)):
                yield self.new.embedding[one]

        write_array(file, parts(), (len(self.rows), self.new.embedding.shape[1]), np.float32)
        return open_array(file)

    def _join_signatures(self) -> NDArray | None:
        old = self.tree.folder / SIGNATURES
        if not old.exists():
            return None
        file, kept = self.work / SIGNATURES, open_array(old)
        parts = [kept[self.tree.readable], self.new.signature]
        write_array(file, parts, (len(self.rows), kept.shape[1]), np.uint8)
        return open_array(file)

    def _place(self) -> PrototypeHierarchy:
        """The tree over all n images; the old ones stay where they are."""
        tree = self.tree.hierarchy
        old = tree.assignment[torch.from_numpy(self.tree.readable)]
        new = [
            tree.assign(torch.from_numpy(np.ascontiguousarray(self.new.embedding[one])))[0].int()
            for one in pieces(len(self.new.rows))
        ]
        return replace(tree, assignment=torch.cat([old.int(), *new]))

    def write(self, names: list[str], labels: list[str | None] | None) -> None:
        """Tables, hierarchy.json and hierarchy.pt, each whole or not at all."""
        tree, old_rows = self.tree, self.tree.table.num_rows
        number = old_rows + self.new.num_images
        groups = self._groups(number)
        nodes = self._describe(number, labels)
        assignment = torch.zeros(number, dtype=torch.int32)
        assignment[torch.from_numpy(self.rows)] = self.hierarchy.assignment.int()
        signatures = None
        if self.signature is not None:
            signatures = np.zeros((number, self.signature.shape[1]), np.uint8)
            signatures[self.rows] = self.signature
        batches = self._batches(names, labels, groups)
        write_tables(tree.folder, batches, tree.table.schema, number)
        write_json(tree.folder / NODES, nodes)
        replace(self.hierarchy, assignment=assignment).save(tree.folder / HIERARCHY)
        if signatures is not None:
            write_array(tree.folder / SIGNATURES, [signatures], signatures.shape, np.uint8)

    def _groups(self, number: int) -> NDArray:
        """(number,) groups of near-duplicates of all rows: the old ones, and what joins them."""
        old = self.tree.table.numbers("duplicate_group")
        members = np.flatnonzero(old >= 0)
        members = members[np.argsort(old[members], kind="stable")]
        same = old[members[1:]] == old[members[:-1]]
        chain = np.stack([members[:-1][same], members[1:][same]], axis=1)
        return duplicate_groups(np.concatenate([chain, self.rows[self.neighbours.pairs]]), number)

    def _describe(self, number: int, labels: list[str | None] | None) -> dict:
        found = None
        if labels is not None:
            index = {name: place for place, name in enumerate(self.tree.facts.classes)}
            everyone = [*self.tree.table.texts("label"), *labels]
            of_image = [index.get(everyone[row], -1) for row in self.rows.tolist()]
            found = Labels(self.tree.facts.classes, np.array(of_image))
        parts = (self.embedding[one] for one in pieces(len(self.rows)))
        return describe_tree(self.hierarchy, self.columns, parts, self.rows, number, found)

    def _batches(
        self, names: list[str], labels: list[str | None] | None, groups: NDArray
    ) -> Iterator[pa.RecordBatch]:
        form, start = self.tree.table.schema, 0
        place = form.get_field_index("duplicate_group")
        for batch in self.tree.table.batches():
            own = pa.array(groups[start : start + len(batch)], form.field(place).type)
            yield batch.set_column(place, form.field(place), own)
            start += len(batch)
        at = np.full(len(names), -1, np.int64)
        at[self.new.rows] = np.arange(len(self.new.rows))
        values = self._new_numbers()
        for rows in pieces(len(names)):
            here = at[rows]
            yield Rows(
                paths=[names[row] for row in rows],
                labels=None if labels is None else [labels[row] for row in rows],
                reasons=[self.new.reasons.get(row) for row in rows],
                embedding=np.where(here[:, None] >= 0, self.new.embedding[here], np.float32(0)),
                numbers={
                    **{
                        name: np.where(here >= 0, own[here], np.asarray(missing, own.dtype))
                        for name, (own, missing) in values.items()
                    },
                    "duplicate_group": groups[start + np.asarray(rows)],
                },
            ).batch(form)

    def _new_numbers(self) -> dict[str, tuple[NDArray, float]]:
        none, new = float("nan"), slice(self.num_old, None)
        columns, near = self.columns, self.neighbours
        quantiles = np.array(self.tree.facts.spread_quantiles)
        levels = np.linspace(0, 1, len(quantiles))
        positions = self._positions()
        return {
            **{f"prototype_{n}": (own[new], -1) for n, own in enumerate(columns.prototypes)},
            **{f"distance_{n}": (own[new], none) for n, own in enumerate(columns.distances)},
            "margin": (columns.margins[0][new], none),
            "outlier_score": (np.interp(near.spread, quantiles, levels).astype(np.float32), none),
            "neighbour": (self.rows[near.nearest[:, 0]], -1),
            "neighbour_similarity": (near.similarity, none),
            "x": (positions[:, 0], none),
            "y": (positions[:, 1], none),
        }

    def _positions(self) -> NDArray:
        """(m, 2) float32: the mean of up to 3 of the most similar images of the tree in the same
        leaf, which lies in the leaf's rectangle; where there is none there, of the most similar.
        """
        xy = np.stack([self.tree.table.numbers(name) for name in "xy"], axis=1)[self.tree.readable]
        near, leaf = self.neighbours.nearest, self.columns.prototypes[0]
        old = (near >= 0) & (near < self.num_old)
        same = old & (leaf[near] == leaf[self.num_old :, None])
        usable = np.where(same.any(axis=1, keepdims=True), same, old)
        usable &= usable.cumsum(axis=1) <= _NEAR
        found = np.where(usable[..., None], xy[np.where(usable, near, 0)], 0).sum(axis=1)
        number = usable.sum(axis=1, keepdims=True)
        return np.where(number > 0, found / np.maximum(1, number), 0.5).astype(np.float32)
