"""Place images in a tree of prototypes, from Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.config import Config
from numpy.typing import NDArray
from torch import Tensor

from ..clustering import default_num_prototypes, default_seeding, hierarchical_kmeans
from ..errors import HCSCError
from ..structures import PrototypeHierarchy
from ..utils.progress import track
from .embedder import Embedder
from .image_view import ImageView, in_batches, iterate
from .inputs import ImageInput, list_inputs
from .load_embedder import load_embedder
from .placing import place

Images = ImageInput | Sequence[ImageInput]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an image stands in the tree.

    Attributes:
        name: Its path, or 'image 3' for the fourth one given without a path.
        backbone: (C,) float32, the backbone's features, of any length.
        embedding: (D,) float32, unit length, in the space of the tree.
        prototypes: Its prototype at every level, level 0, the finest, first.
        distances: Euclidean distance of the embedding to each of these prototypes, in [0, 2].
        margin: By how much the second-nearest prototype of level 0 is farther than the nearest, in
            [0, 2]; near 0 for an image between two prototypes.
    """

    name: str
    backbone: NDArray
    embedding: NDArray
    prototypes: tuple[int, ...]
    distances: tuple[float, ...]
    margin: float


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """Embeddings of many images.

    Attributes:
        names: N paths, or 'image 3' for the fourth one given without a path.
        backbone: (N, C) float32, of any length.
        embedding: (N, D) float32, unit length.
    """

    names: list[str]
    backbone: NDArray
    embedding: NDArray

    def __len__(self) -> int:
        return len(self.names)

    def similar(self, embedding: NDArray, k: int = 10) -> list[tuple[str, float]]:
        """The k images with the largest cosine, the most similar first: name and cosine.

        Args:
            embedding: (D,) unit length.
            k: Number of images; fewer where there are fewer.
        """
        similarity = torch.from_numpy(self.embedding @ embedding)
        best = similarity.topk(min(k, len(self)))
        return [
            (self.names[row], value)
            for value, row in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]


class HierarchyInferencer:
    """Embed images and find their place in the tree.

    Args:
        model: A checkpoint of ours, a work folder, a config, 'timm/NAME', 'torchvision/NAME' or a
            name of mmpretrain's; see :func:`load_embedder`.
        pretrained: Weights, where ``model`` is a config or a name.
        hierarchy: The tree; None: the checkpoint's own. A file of
            :meth:`PrototypeHierarchy.save`, such as ``tree/hierarchy.pt``, or the object.
        device: Where to run; None: a GPU if there is one.
        features: What is embedded: 'projection' (the default), 'backbone' or 'both', see
            :meth:`Embedder.with_features`; a tree is of one of them.

    Attributes:
        embedder: The network, with the transforms that its images go through.
        hierarchy: The tree; None for weights without one, until :meth:`cluster` makes it.
        gallery: What :meth:`similar` searches: the images that :meth:`embed` saw last.

    Raises:
        HCSCError: see :func:`load_embedder`; or the tree is of another space.
    """

    def __init__(
        self,
        model: str | os.PathLike | Config,
        pretrained: str | os.PathLike | None = None,
        hierarchy: str | os.PathLike | PrototypeHierarchy | None = None,
        device: torch.device | str | None = None,
        features: str = "projection",
    ) -> None:
        self.embedder: Embedder = load_embedder(model, pretrained, device, features)
        if isinstance(hierarchy, (str, os.PathLike)):
            hierarchy = PrototypeHierarchy.load(hierarchy)
        self.hierarchy = self.embedder.hierarchy if hierarchy is None else hierarchy
        self.gallery = EmbeddedImages([], np.zeros((0, 0)), np.zeros((0, 0)))

    def __call__(
        self, images: Images, batch_size: int = 64, channel_order: str | None = None
    ) -> list[Placement]:
        """Embed images and place them.

        Args:
            images: A path, a folder, a PIL image, a uint8 array, or a sequence of these; see
                :func:`list_inputs`.
            batch_size: Images at a time.
            channel_order: 'rgb' or 'bgr', needed for arrays with three channels.

        Returns:
            One placement for each image, in order.

        Raises:
            HCSCError: there is no tree, or an image cannot be read; names it.
        """
        hierarchy = self._tree()
        found = self._embed(images, batch_size, channel_order)
        placed = place(hierarchy, torch.from_numpy(found.embedding))
        return [
            Placement(
                name,
                found.backbone[row],
                found.embedding[row],
                tuple(int(level[row]) for level in placed.prototypes),
                tuple(float(level[row]) for level in placed.distances),
                float(placed.margins[0][row]),
            )
            for row, name in enumerate(found.names)
        ]

    def embed(
        self, images: Images, batch_size: int = 64, channel_order: str | None = None
    ) -> EmbeddedImages:
        """Embed images without placing them, and keep them as the gallery of :meth:`similar`.

        Args:
            images, batch_size, channel_order: What to embed and how, as in :meth:`__call__`.
        """
        self.gallery = self._embed(images, batch_size, channel_order)
        return self.gallery

    def similar(
        self, image: ImageInput, k: int = 10, channel_order: str | None = None
    ) -> list[tuple[str, float]]:
        """The most similar images of the gallery: names and cosines, the most similar first.

        Args:
            image: One image. If it is in the gallery, it is its own first answer.
            k: Number of answers.
            channel_order: 'rgb' or 'bgr', needed for an array with three channels.

        Raises:
            HCSCError: nothing has been embedded yet.
        """
        if len(self.gallery) == 0:
            raise HCSCError("there is nothing to search yet; call embed(images) first")
        one = self._embed(image, 1, channel_order)
        if len(one) != 1:
            raise HCSCError(f"similar() takes one image, got {len(one)}")
        return self.gallery.similar(one.embedding[0], k)

    def cluster(
        self,
        images: Images | EmbeddedImages,
        num_prototypes: Sequence[int] | None = None,
        batch_size: int = 64,
        channel_order: str | None = None,
        seed: int = 0,
        seeding: str | None = None,
    ) -> PrototypeHierarchy:
        """Make a tree of images, for weights that have none, and place images in it from now on.

        Args:
            images: What to cluster: images as in :meth:`__call__`, or embeddings that :meth:`embed`
                gave.
            num_prototypes: K per level, the finest first, strictly decreasing; by default from the
                number of images, see :func:`default_num_prototypes`.
            batch_size, channel_order: How images are read, as in :meth:`__call__`.
            seed: Seeds the clustering; equal seeds give equal trees.
            seeding: What it begins with: 'k-means++', 'random' or 'ward', see :func:`kmeans`; by
                default from the number of images, see :func:`default_seeding`.
        """
        found = images
        if not isinstance(images, EmbeddedImages):
            found = self._embed(images, batch_size, channel_order)
        num_prototypes = num_prototypes or default_num_prototypes(len(found))
        seeding = seeding or default_seeding(len(found))
        features = torch.from_numpy(found.embedding)
        self.hierarchy = hierarchical_kmeans(features, num_prototypes, seed=seed, seeding=seeding)
        return self.hierarchy

    def _tree(self) -> PrototypeHierarchy:
        if self.hierarchy is None:
            raise HCSCError(
                f"{self.embedder.name} has no tree; call cluster(images) first, or give hierarchy="
            )
        return self.hierarchy

    def _embed(self, images: Images, batch_size: int, channel_order: str | None) -> EmbeddedImages:
        inputs = list_inputs(images, channel_order)
        view = ImageView(inputs, self.embedder.pipeline)
        batches = list(in_batches(range(len(inputs)), batch_size))
        backbone: list[Tensor] = []
        embedding: list[Tensor] = []
        for batch in track(iterate(view, batches, num_workers=0), "embedding"):
            for row, why in zip(batch.rows, batch.reasons, strict=True):
                if why:
                    raise HCSCError(
                        f"cannot read image {inputs.names[row]!r} ({why}); leave it out"
                    )
            found = self.embedder.embed(batch.images)
            backbone.append(found.backbone)
            embedding.append(found.embedding)
        return EmbeddedImages(
            inputs.names, torch.cat(backbone).numpy(), torch.cat(embedding).numpy()
        )
