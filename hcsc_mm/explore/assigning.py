"""New images in a tree that is there: placed, appended, and how many of them lie far out."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from itertools import zip_longest

from ..apis import Embedder
from ..errors import HCSCError
from ..utils.text import one_line_path
from .embedding import embed_images, open_embeddings
from .extended_tree import ExtendedTree
from .neighbours import EXHAUSTIVE
from .tree import Tree
from .tree_images import TreeImages
from .whole_files import full_disk_is_said

_WORK = ".assign"


@dataclass(frozen=True)
class Drift:
    """How new images lie in a tree.

    Attributes:
        number: Images that could be read.
        num_unreadable: And those that could not.
        num_far: Farther from their prototype of level 0 than 99 % of the tree's own images.
        far: That distance from a prototype.
    """

    number: int
    num_unreadable: int
    num_far: int
    far: float

    def __str__(self) -> str:
        share = self.num_far / max(1, self.number)
        unreadable = f"; {self.num_unreadable} cannot be read" if self.num_unreadable else ""
        return (
            f"{self.num_far} of {self.number} new images ({share:.1%}) lie farther from their "
            f"prototype than 99 % of the tree's images ({self.far:.3g}); without drift it is about "
            f"1 %{unreadable}"
        )


def assign_images(
    tree: Tree,
    embedder: Embedder,
    images: TreeImages,
    *,
    batch_size: int = 64,
    num_workers: int = 2,
    unreadable: str = "list",
    exhaustive: int = EXHAUSTIVE,
) -> Drift:
    """Place images, append them to the tables, and renew hierarchy.json and hierarchy.pt.

    Args:
        tree: Where they belong.
        embedder: The weights that the tree was made with.
        images: New images, with the tree's transforms.
        batch_size, num_workers, unreadable: How images are read and embedded, see
            :func:`embed_images`.
        exhaustive: Whether all leaves are searched, see :func:`search`.

    Raises:
        HCSCError: other weights or another preparation of images, images that are in the tree
            already, or labels that it does not have.
    """
    check_same_weights(tree, embedder)
    embedder = _prepared_as(tree, embedder)
    names = _new_names(tree, images)
    labels = _new_labels(tree, images)
    work = tree.folder / _WORK
    shutil.rmtree(work, ignore_errors=True)
    try:
        with full_disk_is_said(tree.folder, "begin again: the tree is as it was"):
            embed_images(
                embedder,
                images,
                work / "new",
                batch_size=batch_size,
                num_workers=num_workers,
                unreadable=unreadable,
            )
            extended = ExtendedTree(tree, open_embeddings(work / "new"), work, exhaustive)
            extended.write(names, labels)
        far = tree.facts.far
        new = extended.columns.distances[0][extended.num_old :]
        return Drift(len(new), len(extended.new.reasons), int((new > far).sum()), far)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_same_weights(tree: Tree, embedder: Embedder) -> None:
    """Refuse other weights than the tree's.

    Raises:
        HCSCError: says which the tree was made with.
    """
    if not tree.facts.weights:
        raise HCSCError(
            f"{tree.folder} was made of given embeddings: no weights can place images in it"
        )
    if embedder.digest != tree.facts.weights:
        known = tree.facts.model[1] or tree.facts.model[0]
        raise HCSCError(
            f"{tree.folder}/images.parquet is of other weights ({known}, "
            f"{tree.facts.weights[:12]}) than {embedder.name} ({embedder.digest[:12]}); give "
            "those, or build a tree of these"
        )


def _prepared_as(tree: Tree, embedder: Embedder) -> Embedder:
    """With the white that the tree's images had; refused where the pipeline differs otherwise."""
    if embedder.white == "auto":
        embedder = embedder.with_white(tree.facts.white)
    if embedder.preparation == tree.facts.preparation:
        return embedder
    if not tree.facts.preparation:
        raise HCSCError(
            f"{tree.folder} is of a version that did not note how it prepared images; build it "
            "again with --redo"
        )
    steps = (json.loads(text) for text in (tree.facts.preparation, embedder.preparation))
    was, now = next(pair for pair in zip_longest(*steps) if pair[0] != pair[1])
    raise HCSCError(
        f"the images of {tree.folder} were prepared otherwise than {embedder.name} says: {was} "
        f"there, {now} here; build it again with --redo"
    )


def _new_names(tree: Tree, images: TreeImages) -> list[str]:
    """Paths, relative to the tree's root where they lie below it."""
    images.root = tree.facts.root or images.root
    names = [images.name(row) for row in range(len(images))]
    there = set(tree.table.texts("path")).intersection(names)
    if there:
        raise HCSCError(
            f"{len(there)} of the {len(names)} images are in the tree already, the first is "
            f"{one_line_path(min(there))}"
        )
    return names


def _new_labels(tree: Tree, images: TreeImages) -> list[str | None] | None:
    """None for a tree without labels."""
    known = tree.facts.classes
    if images.classes is not None and not set(images.classes) <= set(known):
        other = next(name for name in images.classes if name not in known)
        raise HCSCError(
            f"the tree has no label {one_line_path(other)!r}; it has {len(known)} labels"
            + (f", such as {one_line_path(known[0])!r}" if known else "")
        )
    return [images.label(row) for row in range(len(images))] if known else None
