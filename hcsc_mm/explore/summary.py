"""What a build has found, in a few lines for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .site.nodes import read_hierarchy
from .tables import PARQUET, Table

_ROUNDING = 1e-6  # of a distance
_ORIGINS = {
    "trained": "the trained tree of these very images",
    "assigned": "a tree that was trained on other images",
    "clustered": "a new tree",
}


def summarise(out: Path, took: str, page: Path | None) -> list[str]:
    """Lines about a tree folder.

    Args:
        out: The tree folder that was written.
        took: How long it took, in words.
        page: The page, if there is one.
    """
    table = Table(out)
    tree = read_hierarchy(out)
    groups = table.numbers("duplicate_group")
    numbers = " → ".join(map(str, table.facts.num_prototypes))
    lines = [
        f"{out}: {_ORIGINS[table.facts.origin]}, {table.num_rows} images → {numbers} prototypes, "
        f"{took}"
    ]
    if tree["num_unreadable"]:
        lines.append(
            f"{tree['num_unreadable']} images cannot be read; {PARQUET} lists them with the reasons"
        )
    nearer = int(np.sum(table.numbers("margin") < -_ROUNDING))
    lines.append(
        f"{int(groups.max(initial=-1)) + 1} groups of near-duplicates, {int((groups >= 0).sum())} "
        f"images in them; {nearer} images are nearer to another prototype than to their own"
    )
    if page is not None:
        lines.append(f"open {page}")
    return lines
