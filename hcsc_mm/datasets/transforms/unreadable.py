"""Why a file is not taken as an image."""

from __future__ import annotations


class UnreadableImageError(ValueError):
    """The reason, in words of its own."""


def check_size(width: int, height: int, max_pixels: int, max_aspect: float) -> None:
    """Raises UnreadableImageError for an image over a limit of LoadImage."""
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"its {width} × {height} pixels exceed max_pixels={max_pixels:,} of LoadImage"
        )
    if max(width, height) > max_aspect * min(width, height):
        raise UnreadableImageError(
            f"its sides of {width} × {height} pixels exceed max_aspect={max_aspect:g} of LoadImage"
        )
