"""Pixel values beyond 8 bits, and which of them is white."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .unreadable import UnreadableImageError

WHITE_16 = 65535.0


class Values(NamedTuple):
    """Pixels as a file stores them.

    Attributes:
        array: (H, W) or (H, W, C), integers or floating point.
        white: The value of white, where the file itself says it (12 bits packed as such, a PGM's
            largest value); None where it only says how wide its numbers are.
        inverted: Whether 0 is white, as TIFF can have it.
    """

    array: np.ndarray
    white: float | None = None
    inverted: bool = False

    @property
    def kind(self) -> str:
        """'signed 16-bit', '32-bit', …, for messages."""
        bits = 8 * self.array.dtype.itemsize
        return f"signed {bits}-bit" if self.array.dtype.kind == "i" and bits < 32 else f"{bits}-bit"

    def white_by(self, option: float | None) -> float | None:
        """The value that becomes 255: the file's own, or the option's, or the type's largest where
        the type has a usual one; None if nobody says.
        """
        if self.white is not None:
            return self.white
        usual = {"uint8": 255.0, "uint16": WHITE_16}
        return usual.get(self.array.dtype.name) if option is None else float(option)


def to_8_bits(values: Values, white: float | None) -> np.ndarray:
    """Scale so that 0 becomes 0 and white 255; what lies outside is clipped, NaN becomes 0.

    Whole numbers keep the upper 8 bits of their range, ⌊256 v / (white + 1)⌋: for 65535 v >> 8, for
    4095 v >> 4, for 255 v. Floating point is rounded, 255 v / white.

    Args:
        values: Integers or floating-point numbers as they stand in a file.
        white: What the user says; None: nothing.

    Returns:
        uint8, of the same shape.

    Raises:
        UnreadableImageError: nobody says what white is.
    """
    array, top = values.array, values.white_by(white)
    if top is None:
        raise UnreadableImageError(
            f"its {values.kind} values have no stated range; set white of LoadImage to the "
            "largest, or to 'auto', or convert it to 8 or 16 bits per channel"
        )
    if array.dtype == np.uint8:
        scaled = array
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        scaled = _table(top)[array]
    elif array.dtype.kind == "f":
        scaled = np.rint(np.clip(np.nan_to_num(array * (255 / top)), 0, 255)).astype(np.uint8)
    else:
        scaled = np.clip(np.floor(array * (256 / (top + 1))), 0, 255).astype(np.uint8)
    return 255 - scaled if values.inverted else scaled


@lru_cache(maxsize=8)
def _table(white: float) -> np.ndarray:
    """(65536,) uint8, what each value of 16 bits becomes."""
    return np.minimum(np.arange(65536) * 256 // (white + 1), 255).astype(np.uint8)


def usual_white(largest: float) -> float:
    """The white of a set whose largest value this is: that of 8, 10, 12, 14, 16, 20, 24 or 32 bits,
    or 1 for shares.
    """
    if largest <= 1:
        return 1.0
    return next(
        (2.0**bits - 1 for bits in (8, 10, 12, 14, 16, 20, 24, 32) if largest < 2**bits), largest
    )
