"""Small pictures of a tree's images, for exports that carry pictures with them."""

from __future__ import annotations

import io

from mmpretrain.registry import TRANSFORMS
from PIL import Image

from ...datasets.transforms.decode import UnreadableImageError
from ..tree import Tree


class Thumbnails:
    """The images of a tree, from their files.

    Args:
        tree: Whose root they lie under.
        side: Pixels of the longer side, or of both where they are square.
    """

    def __init__(self, tree: Tree, side: int) -> None:
        self._tree, self._side = tree, side
        self._load = TRANSFORMS.build(dict(type="hcsc_mm.LoadImage", white=tree.facts.white))

    def picture(self, path: str) -> Image.Image | None:
        """Whole, at most ``side`` pixels wide and high; None for what cannot be read."""
        try:
            loaded = self._load.load({"img_path": self._tree.file(path)})
        except UnreadableImageError:
            return None
        picture = Image.fromarray(loaded["img"][..., ::-1])
        picture.thumbnail((self._side, self._side))
        return picture

    def square(self, path: str) -> Image.Image:
        """On a black square; black for what cannot be read."""
        picture, square = self.picture(path), Image.new("RGB", (self._side, self._side))
        if picture is not None:
            square.paste(
                picture, ((self._side - picture.width) // 2, (self._side - picture.height) // 2)
            )
        return square

    def jpeg(self, path: str) -> bytes | None:
        """As a file; None for what cannot be read."""
        picture = self.picture(path)
        if picture is None:
            return None
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=80)
        return stream.getvalue()
