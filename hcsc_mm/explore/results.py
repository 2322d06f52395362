"""The files of a tree folder, from what the steps of a build have found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ..structures import PrototypeHierarchy
from ..version import __version__
from .columns import Columns
from .duplicates import duplicate_groups
from .embedding import Embeddings
from .neighbours import Neighbours, outlier_scores
from .nodes import Labels, describe_tree
from .sources import Sources
from .tables import Facts, Rows, pieces, schema, write_embeddings, write_tables
from .whole_files import write_array, write_json

HIERARCHY, NODES, SIGNATURES = "hierarchy.pt", "hierarchy.json", "signatures.npy"
_FAR = 0.99  # of the images of the build are nearer to their prototypes than what is called far
_QUANTILES = 1001


class Results(NamedTuple):
    """All that is known of the n images that can be read, of N.

    Attributes:
        sources: Names and labels.
        origin: Where the tree comes from.
        embeddings: And which images cannot be read.
        hierarchy: Over the n images.
        columns, neighbours: Columns and neighbours of the n images.
        positions: (n, 2).
    """

    sources: Sources
    origin: str
    embeddings: Embeddings
    hierarchy: PrototypeHierarchy
    columns: Columns
    neighbours: Neighbours
    positions: NDArray


def write_results(folder: Path, results: Results, *, dtype: str, npy: bool) -> None:
    """Write tables, hierarchy.json and hierarchy.pt, each whole or not at all.

    Args:
        folder: The tree folder.
        results: What to write, see :class:`Results`.
        dtype: Type of the embeddings in the table, 'float16' or 'float32'.
        npy: Write embeddings.npy, too.
    """
    sources, embeddings, hierarchy = results.sources, results.embeddings, results.hierarchy
    number, dim = embeddings.num_images, embeddings.embedding.shape[1]
    form = schema(hierarchy.num_levels, dim, dtype, bool(sources.classes), _facts(results))
    write_tables(folder, _batches(results, form), form, number)
    place = _places(embeddings)
    if npy:
        rows = (_pick(embeddings.embedding, place[piece]) for piece in pieces(number))
        write_embeddings(folder, rows, (number, dim))
    if embeddings.signature is not None:
        kept = (_pick(embeddings.signature, place[piece]) for piece in pieces(number))
        shape = (number, embeddings.signature.shape[1])
        write_array(folder / SIGNATURES, kept, shape, np.uint8)
    labels = None
    if sources.classes:
        index = {name: place for place, name in enumerate(sources.classes)}
        of_image = [index[sources.label(row)] for row in embeddings.rows.tolist()]
        labels = Labels(sources.classes, np.array(of_image))
    parts = (embeddings.embedding[one] for one in pieces(len(embeddings.rows)))
    tree = describe_tree(hierarchy, results.columns, parts, embeddings.rows, number, labels)
    write_json(folder / NODES, tree)
    of_all = np.zeros(number, np.int32)  # as in training: prototype 0 for what cannot be read
    of_all[embeddings.rows] = results.columns.prototypes[0]
    with_all = hierarchy.state_dict() | {"assignment": torch.from_numpy(of_all)}
    PrototypeHierarchy.from_state_dict(with_all).save(folder / HIERARCHY)


def _facts(results: Results) -> Facts:
    embedder, hierarchy = results.sources.embedder, results.hierarchy
    spread = np.quantile(results.neighbours.spread, np.linspace(0, 1, _QUANTILES))
    return Facts(
        version=__version__,
        weights=embedder.digest if embedder else "",
        model=embedder.source if embedder else ("", None),
        root=results.sources.root,
        num_levels=hierarchy.num_levels,
        num_prototypes=hierarchy.num_prototypes,
        origin=results.origin,
        classes=results.sources.classes,
        num_built=results.embeddings.num_images,
        spread_quantiles=tuple(float(value) for value in spread),
        far=float(np.quantile(results.columns.distances[0], _FAR)),
        preparation=embedder.preparation if embedder else "",
        features=embedder.features if embedder else Facts.features,
    )


def _batches(results: Results, form: pa.Schema) -> Iterator[pa.RecordBatch]:
    sources, embeddings = results.sources, results.embeddings
    place = _places(embeddings)
    numbers = _numbers(results)
    for rows in pieces(embeddings.num_images):
        at = place[rows]
        yield Rows(
            paths=[sources.name(row) for row in rows],
            labels=[sources.label(row) for row in rows] if sources.classes else None,
            reasons=[embeddings.reasons.get(row) for row in rows],
            embedding=_pick(embeddings.embedding, at),
            numbers={
                name: np.where(at >= 0, values[at], np.asarray(missing, values.dtype))
                for name, (values, missing) in numbers.items()
            },
        ).batch(form)


def _numbers(results: Results) -> dict[str, tuple[NDArray, float]]:
    """Column → (n,) values, and what stands for none in rows of images that cannot be read."""
    columns, neighbours, number = results.columns, results.neighbours, len(results.embeddings.rows)
    none = float("nan")
    return {
        **{f"prototype_{level}": (own, -1) for level, own in enumerate(columns.prototypes)},
        **{f"distance_{level}": (own, none) for level, own in enumerate(columns.distances)},
        "margin": (columns.margins[0], none),
        "outlier_score": (outlier_scores(neighbours.spread), none),
        "neighbour": (results.embeddings.rows[neighbours.nearest[:, 0]], -1),
        "neighbour_similarity": (neighbours.similarity, none),
        "duplicate_group": (duplicate_groups(neighbours.pairs, number), -1),
        "x": (results.positions[:, 0], none),
        "y": (results.positions[:, 1], none),
    }


def _places(embeddings: Embeddings) -> NDArray:
    """(N,) place of each row among the n; -1 for an image that cannot be read."""
    place = np.full(embeddings.num_images, -1, np.int64)
    place[embeddings.rows] = np.arange(len(embeddings.rows))
    return place


def _pick(values: NDArray, at: NDArray) -> NDArray:
    """(m, …) of (n, …) values; zeros where ``at`` is -1."""
    return np.where(at[:, None] >= 0, values[at], values.dtype.type(0))
