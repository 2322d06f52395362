#!/usr/bin/env python
"""A tree for another tool: ``python tools/export_tree.py tree --to fiftyone --out DIR``. See
docs/tree.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from hcsc_mm.explore.exports import exports
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.whole_files import check_writable
from hcsc_mm.runtime.error_reports import one_line_errors


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write a tree in the format of another tool")
    parser.add_argument("tree", help="the tree folder")
    parser.add_argument("--to", required=True, choices=sorted(exports()), help="the tool")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for its files")
    return parser.parse_args(arguments)


def main() -> None:
    args = parse_args()
    with one_line_errors("interrupted; the same command begins anew"):
        out = Path(args.out)
        check_writable(out)
        tree = Tree(Path(args.tree))
        out.mkdir(parents=True, exist_ok=True)
        print("\n".join(exports()[args.to].write(tree, out)))


if __name__ == "__main__":
    main()
