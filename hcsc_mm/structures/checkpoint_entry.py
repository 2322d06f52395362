"""The clusters in a checkpoint: how they are put there, and found again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mmengine.logging import print_log
from torch import Tensor

from ..errors import HCSCError
from ..utils.checkpoint_shards import SHARDS_KEY, read_rows
from .prototype_hierarchy import PrototypeHierarchy

CHECKPOINT_KEY = "hierarchical_clustering"


class SavedTree(NamedTuple):
    """A tree of prototypes from a checkpoint.

    Attributes:
        hierarchy: The tree of prototypes.
        num_samples: N, training images that it is over.
        images: Fingerprint of the training set; None in checkpoints of 0.1.0.
        fits: Whether it was built from the very weights beside it; None where nobody noted that.
        white: What counted as white in the images, see :class:`LoadImage`.
    """

    hierarchy: PrototypeHierarchy
    num_samples: int
    images: str | None
    fits: bool | None
    white: float | None


def saved_tree(
    checkpoint: Any, name: str = "the checkpoint", path: str | os.PathLike | None = None
) -> SavedTree | None:
    """The tree of a loaded checkpoint that fits its weights best.

    A run ends with a clustering of its final weights; that tree is taken if it is there. Any other
    was built before the epoch that then changed the weights, which is said in one line.

    Args:
        checkpoint: A checkpoint as loaded; anything else has no tree.
        name: Name of the file, for that line.
        path: Where the checkpoint was loaded from. A large run has the images' prototypes in files
            beside it; without a path such a tree comes without images: prototypes, sizes and
            ``assign`` are there, and ``path`` refuses.

    Returns:
        None if there is none, also for methods that cluster otherwise than into a tree.
    """
    entry = checkpoint.get(CHECKPOINT_KEY) if isinstance(checkpoint, Mapping) else None
    if entry is None:
        return None
    final = entry.get("final") or {}
    source = final if final.get("hierarchy") is not None else entry
    if source["hierarchy"] is None or "parents" not in source["hierarchy"]:
        return None
    built_from = source.get("weights")
    fits = None if built_from is None else built_from == _digest_beside(checkpoint, built_from)
    if not fits:
        print_log(
            f"the tree in {name} was built before the epoch that gave it its weights: new features "
            "agree with it only roughly; cluster anew for a tree of these weights",
            "current",
            level=30,
        )
    hierarchy = PrototypeHierarchy.from_state_dict(source["hierarchy"])
    if path is not None:
        everyone, kind = (
            slice(0, hierarchy.num_samples),
            "final" if source is final else "hierarchy",
        )
        hierarchy = with_images(hierarchy, everyone, checkpoint.get(SHARDS_KEY), path, kind)
    number, images, white = entry["num_samples"], entry.get("images"), entry.get("white")
    return SavedTree(hierarchy, number, images, fits, white)


def with_images(
    hierarchy: PrototypeHierarchy,
    images: slice,
    shards: Mapping[str, Any] | None,
    path: str | os.PathLike,
    kind: str = "hierarchy",
) -> PrototypeHierarchy:
    """Clusters from a checkpoint that know the prototypes of certain images.

    Args:
        hierarchy: As the checkpoint itself has it: of all images, or of none.
        images: Numbers of the images wanted.
        shards: The checkpoint's entry ``SHARDS_KEY``.
        path: Where the checkpoint lies.
        kind: Which clusters of the checkpoint: 'hierarchy', or 'final' of the final weights.

    Raises:
        HCSCError: they lie in files beside the checkpoint, and one of those is not to be had.
    """
    if hierarchy.own == images:
        return hierarchy
    if hierarchy.is_whole:
        rows = [assignment[images].clone() for assignment in hierarchy.assignments]
    else:
        rows = read_rows(path, shards, images, hierarchy.num_samples, partial(_rows_of, kind))
    return hierarchy.holding(rows, images.start)


def _rows_of(kind: str, content: Mapping[str, Any]) -> Sequence[Tensor]:
    return content[CHECKPOINT_KEY][kind]


def clustering_entry(
    hierarchy: PrototypeHierarchy | None,
    identity: Mapping[str, Any],
    *,
    epoch: int,
    bank: Tensor | None,
    weights: dict[str, str] | None,
    final: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What a checkpoint holds under :data:`CHECKPOINT_KEY`: tensors and plain values.

    Args:
        hierarchy: What the model trains with; None during warm-up.
        identity: 'num_samples', 'images', the fingerprint of the training set, and 'white'.
        epoch: The last epoch that it was built for.
        bank: (N, D) latest keys, within an epoch that collects them; None where each rank's lie in
            a file of their own.
        weights: Digest from :func:`weights_digest` of what the hierarchy was built from.
        final: What :func:`final_entry` gave, at the end of a run.
    """
    return {
        **identity,
        "epoch": epoch,
        "bank": bank,
        "hierarchy": None if hierarchy is None else hierarchy.to("cpu").state_dict(),
        "weights": weights,
        "final": final,
    }


def final_entry(hierarchy: PrototypeHierarchy, weights: dict[str, str]) -> dict[str, Any]:
    """The clusters of a run's final weights, which no epoch was trained with."""
    return {"hierarchy": hierarchy.to("cpu").state_dict(), "weights": weights}


def weights_digest(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """What a tree was built from: the names' common beginning, and SHA-256 of names and values.

    Args:
        weights: Part of a state dict, by its names in there, such as 'momentum_encoder.…'.

    Raises:
        HCSCError: there are none.
    """
    if not weights:
        raise HCSCError("a digest of no weights says nothing")
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    part = next(iter(weights)).split(".")[0]
    return {"part": f"{part}.", "sha256": digest.hexdigest()}


def _digest_beside(checkpoint: Mapping[str, Any], built_from: Mapping[str, str]) -> dict | None:
    """The digest of the same part of the weights in the checkpoint."""
    state = checkpoint.get("state_dict", {})
    weights = {name: value for name, value in state.items() if name.startswith(built_from["part"])}
    return weights_digest(weights) if weights else None
