"""Which tree images belong to: the trained one, one that was trained on others, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from mmengine.logging import print_log

from ..apis import Embedder
from ..clustering import check_num_prototypes, default_num_prototypes, hierarchical_kmeans
from ..datasets.fingerprint import fingerprint
from ..structures import PrototypeHierarchy
from ..utils.shard import shard_slice
from .embedding import Embeddings
from .tree_images import TreeImages

TRAINED, ASSIGNED, CLUSTERED = "trained", "assigned", "clustered"


def origin_of_tree(embedder: Embedder | None, images: TreeImages | None, new: bool) -> str:
    """Where the tree comes from.

    'trained': the weights' own tree of these very images, taken as it is. 'assigned': the weights'
    own tree, and each image goes to its nearest prototype. 'clustered': a new tree, for weights
    without one, or whose tree is not of these weights any more, or if one is wanted.

    Args:
        embedder: The weights; None: embeddings were given.
        images: The images; None: embeddings were given.
        new: Whether numbers of prototypes, or how to cluster, are given.
    """
    if embedder is None or new or embedder.hierarchy is None:
        return CLUSTERED
    if embedder.fits is False:
        print_log(f"the tree is made anew, from the weights of {embedder.name}", "current")
        return CLUSTERED
    training = embedder.training
    if training is None or training.number != len(images):
        return ASSIGNED
    known = training.fingerprint
    same = known is not None and known == fingerprint(images.dataset)
    # Images without files have no fingerprint: the data set of the checkpoint is its own witness.
    unnamed = known is None and not images.root
    return TRAINED if same or unnamed else ASSIGNED


def grow(
    embedder: Embedder | None,
    origin: str,
    embeddings: Embeddings,
    num_prototypes: Sequence[int] | None,
    seed: int,
    seeding: str,
) -> PrototypeHierarchy:
    """The tree over the images that can be read, called by all processes.

    Args:
        embedder: The network whose weights the tree is for.
        origin: Where the tree comes from, from :func:`origin_of_tree`.
        embeddings: Embeddings of the images that can be read.
        num_prototypes: K per level, the finest first; None: by the number of images, said aloud.
        seed: Seeds the clustering.
        seeding: What the clustering begins with, see :func:`kmeans`.

    Returns:
        A hierarchy whose images are the n of the embeddings, equal on all processes.

    Raises:
        HCSCError: more prototypes than images, or than ``seeding`` takes, or too few images.
    """
    number = len(embeddings.embedding)
    if origin == CLUSTERED:
        if num_prototypes is None:
            num_prototypes = default_num_prototypes(number)
            print_log(
                f"--num-prototypes is not given: {' '.join(map(str, num_prototypes))} for {number} "
                "images",
                "current",
            )
        check_num_prototypes(num_prototypes, number)
        mine = embeddings.embedding[shard_slice(number)]
        return hierarchical_kmeans(
            torch.from_numpy(mine), num_prototypes, seed=seed, seeding=seeding
        )
    tree = embedder.hierarchy
    if origin == TRAINED:
        return replace(tree, assignment=tree.assignment[torch.from_numpy(embeddings.rows)])
    pieces = torch.from_numpy(embeddings.embedding).split(2**14)
    return replace(tree, assignment=torch.cat([tree.assign(piece)[0] for piece in pieces]).int())
