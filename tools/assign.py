#!/usr/bin/env python
"""Place new images in a tree: ``python tools/assign.py tree --images NEW_DIR``. See docs/tree.md.

They are appended to the tables; the last line says how many lie far out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from hcsc_mm import HCSCError
from hcsc_mm.apis import load_embedder
from hcsc_mm.explore.assigning import assign_images
from hcsc_mm.explore.embedding_flags import add_embedding_flags
from hcsc_mm.explore.page import write_page
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.tree_images import open_folder
from hcsc_mm.explore.whole_files import check_writable
from hcsc_mm.runtime.error_reports import one_line_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Place new images in a tree")
    parser.add_argument("tree", help="the tree folder")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of new images")
    parser.add_argument(
        "--labels",
        metavar="LIST",
        help="their labels, as for tools/build_tree.py; the tree must know them",
    )
    parser.add_argument("--classes", metavar="FILE", help="names of the labels, one a line")
    parser.add_argument(
        "--weights", metavar="FILE", help="the tree's weights, if they have been moved"
    )
    parser.add_argument("--pretrained", metavar="FILE", help="weights of a config or a name")
    add_embedding_flags(parser)
    return parser.parse_args(arguments)


def renew_page(folder: Path) -> None:
    """The page shows the new images, too, if the tree has one."""
    if not (folder / "index.html").exists():
        return
    root = Tree(folder).facts.root
    if root:
        print(f"open {write_page(folder, root)}")
    else:
        print("the page stays without them: the tree's images are no files of a folder")


def main() -> None:
    args = parse_args()
    with one_line_errors("interrupted; the tree is as it was"):
        tree = Tree(Path(args.tree))
        check_writable(tree.folder)
        weights = (args.weights, args.pretrained) if args.weights else tree.facts.model
        if not weights[0]:
            raise HCSCError(f"{args.tree} was made of given embeddings: no weights belong to it")
        embedder = load_embedder(*weights, args.device, tree.facts.features)
        drift = assign_images(
            tree,
            embedder,
            open_folder(args.images, args.labels, args.classes),
            batch_size=args.batch_size,
            num_workers=args.num_workers,
            unreadable=args.unreadable,
        )
        print(drift)
        renew_page(Path(args.tree))


if __name__ == "__main__":
    main()
