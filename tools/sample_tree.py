#!/usr/bin/env python
"""Draw a subset of a tree's images: ``python tools/sample_tree.py tree --number 10000 --balanced``.

The list that it writes is an ``ann_file`` of ``ImageFolder`` and a ``listed`` of
``LabelledImages``. See docs/tree.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

import numpy as np
from numpy.typing import NDArray

from hcsc_mm import HCSCError
from hcsc_mm.explore.names import text_to_name
from hcsc_mm.explore.sampling import PICKS, one_per_group, sample_balanced, sample_proportional
from hcsc_mm.explore.tree import Tree
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.utils.files import WholeFiles


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Draw a subset of a tree's images, as a list")
    parser.add_argument("tree", help="the tree folder")
    parser.add_argument("--number", type=int, required=True, help="of images to draw")
    parser.add_argument(
        "--balanced",
        action="store_true",
        help=(
            "equal shares for the nodes of each level, whatever their sizes (Vo et al. 2024); "
            "without it every node has its share of the images"
        ),
    )
    parser.add_argument(
        "--pick",
        choices=PICKS,
        default="random",
        help="which images of a leaf: by their distance to the prototype, or at random",
    )
    parser.add_argument(
        "--without-duplicates",
        action="store_true",
        help="of each group of near-duplicates only the image nearest to its prototype",
    )
    parser.add_argument(
        "--without-outliers",
        type=float,
        metavar="SHARE",
        help="leave out this share of the images, those farthest from their neighbours: 0.01",
    )
    parser.add_argument(
        "--outliers",
        action="store_true",
        help="the images farthest from their neighbours, farthest first, in the place of a sample",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument(
        "--out", metavar="FILE", help="the list; by default <tree>/sample_<number>.txt"
    )
    return parser.parse_args(arguments)


def draw(tree: Tree, args: argparse.Namespace) -> NDArray:
    """Rows of the drawn images."""
    rows, table = tree.readable, tree.table
    score = table.numbers("outlier_score")
    if args.without_duplicates:
        group, distance = table.numbers("duplicate_group"), table.numbers("distance_0")
        rows = rows[one_per_group(group[rows], distance[rows])]
    if args.without_outliers is not None:
        if not 0 <= args.without_outliers < 1:
            raise HCSCError(f"--without-outliers {args.without_outliers} must lie in [0, 1)")
        rows = rows[score[rows] <= 1 - args.without_outliers]
    if not 0 < args.number <= len(rows):
        raise HCSCError(
            f"--number {args.number} must lie in [1, {len(rows)}], the images there are"
        )
    if args.outliers:
        return rows[np.argsort(-score[rows], kind="stable")[: args.number]]
    sample = sample_balanced if args.balanced else sample_proportional
    distance = table.numbers("distance_0")[rows]
    path = [level[rows] for level in tree.path]
    return rows[sample(path, args.number, pick=args.pick, distance=distance, seed=args.seed)]


def write_list(file: Path, tree: Tree, rows: NDArray) -> None:
    """One path a line, relative to the images' root.

    Raises:
        HCSCError: a name holds a line break, which no list can.
    """
    paths = tree.table.texts("path")
    chosen = [paths[row] for row in rows.tolist()]
    odd = [path for path in chosen if "\n" in path or "\r" in path or path != path.strip()]
    if odd:
        raise HCSCError(
            f"{len(odd)} of the names hold a line break or end with a space, the first is "
            f"{odd[0]!r}; rename them: a list has one name a line"
        )
    content = "".join(f"{text_to_name(path)}\n" for path in chosen)
    WholeFiles().put(content.encode("utf-8", "surrogateescape"), file)


def main() -> None:
    args = parse_args()
    with one_line_errors("interrupted; nothing was written"):
        tree = Tree(Path(args.tree))
        rows = draw(tree, args)
        file = Path(args.out or Path(args.tree) / f"sample_{args.number}.txt")
        write_list(file, tree, rows)
        leaves = [len(np.unique(level[rows])) for level in tree.path]
        print(
            f"{len(rows)} of {tree.table.num_rows} images, of {' → '.join(map(str, leaves))} "
            f"prototypes: {file}; its paths are relative to {tree.facts.root or 'nothing'}"
        )


if __name__ == "__main__":
    main()
