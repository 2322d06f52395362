"""Options that must be numbers, looked at before the work."""

from __future__ import annotations

import math
from numbers import Integral, Real

from ..errors import HCSCError


def check_whole(owner: str, least: int, **options: int | None) -> None:
    """Refuse options that are no whole numbers, or too small; None is let pass.

    Args:
        owner: Whose options they are, for the message.
        least: The smallest that is allowed.
        **options: By their names.
    """
    for name, value in options.items():
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if value is not None and not (is_whole and value >= least):
            raise HCSCError(
                f"{name}={value!r} of {owner} must be a whole number of at least {least}"
            )


def check_positive(owner: str, **options: float | None) -> None:
    """Refuse options that are no finite numbers above 0; None is let pass."""
    for name, value in options.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if value is not None and not (is_number and math.isfinite(value) and value > 0):
            raise HCSCError(f"{name}={value!r} of {owner} must be a number above 0")
