"""What a tree is made of: images and weights, or embeddings from elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..apis import Embedder
from ..errors import HCSCError
from .tree_images import TreeImages

_ROWS = 2**16  # that are hashed at once


@dataclass
class Sources:
    """Images, and what embeds them; the two agree on which value of an image is white.

    Attributes:
        embedder: The weights; None if embeddings are given.
        images: None if embeddings are given without images.
        given: (N, D) embeddings from elsewhere.

    Raises:
        HCSCError: numbers of embeddings and images differ.
    """

    embedder: Embedder | None
    images: TreeImages | None
    given: NDArray | None = None

    def __post_init__(self) -> None:
        if self.embedder is not None and self.images is not None:
            self.embedder = self.embedder.settled(self.images)
            self.images.take_white(self.embedder.white)
        if self.given is None or self.images is None or len(self.given) == len(self.images):
            return
        raise HCSCError(
            f"{len(self.given)} embeddings do not fit {len(self.images)} images; give one for "
            "each, in the order of the images"
        )

    def __len__(self) -> int:
        return len(self.images if self.given is None else self.given)

    @property
    def root(self) -> str:
        """Folder that names are relative to; '' without files."""
        return "" if self.images is None else self.images.root

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels; empty without labels."""
        return (self.images.classes if self.images is not None else None) or ()

    def name(self, row: int) -> str:
        """Path of an image, or its number where there are none."""
        return f"image_{row:07d}" if self.images is None else self.images.name(row)

    def label(self, row: int) -> str | None:
        """Its label; None without labels."""
        return None if self.images is None else self.images.label(row)

    def facts(self) -> dict[str, str]:
        """What notices that they have changed."""
        embeddings = hashlib.sha256()
        if self.given is not None:
            for start in range(0, len(self.given), _ROWS):
                embeddings.update(np.ascontiguousarray(self.given[start : start + _ROWS]))
        return {
            "weights": self.embedder.digest if self.embedder else "",
            "preparation": self.embedder.preparation if self.embedder else "",
            "embeddings": embeddings.hexdigest(),
            "images": self.images.digest() if self.images is not None else "",
        }
