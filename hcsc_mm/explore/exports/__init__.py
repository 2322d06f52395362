"""A tree in the formats of other tools.

A module here is an export: its ``NAME`` is what the command line calls it, and ``write(tree, out)``
writes it into a folder and returns lines that say how it is opened. Another export is another
module.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def exports() -> dict[str, ModuleType]:
    """Name → module."""
    found = {}
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        if hasattr(module, "NAME"):
            found[module.NAME] = module
    return found
