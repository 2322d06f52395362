#!/usr/bin/env python
"""Make the index of tar shards for hcsc_mm.TarImages: ``python tools/index_shards.py FOLDER``. See
docs/images.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from hcsc_mm.datasets.tar_index import ALL, index_path
from hcsc_mm.datasets.tar_shards import index_shards
from hcsc_mm.errors import HCSCError
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.utils.files import why_not_writable
from hcsc_mm.utils.text import one_line_path


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Make the index of tar shards, as WebDataset writes them"
    )
    parser.add_argument("folder", help="folder of the shards")
    parser.add_argument("--shards", default=ALL, metavar="PATTERN", help="which of its files")
    parser.add_argument(
        "--index", metavar="FILE", help="where the index goes; by default beside the shards"
    )
    parser.add_argument(
        "--image-key", metavar="ENDING", help="of the images, where a sample has several"
    )
    parser.add_argument(
        "--label-key",
        metavar="ENDING",
        help="of the labels: cls, txt or json.FIELD; none: no labels; by default cls if there",
    )
    parser.add_argument(
        "--workers", type=int, default=min(8, os.cpu_count() or 1), help="processes that read"
    )
    args = parser.parse_args(arguments)
    if args.workers < 1:
        parser.error("--workers must be at least 1")
    return args


def main() -> None:
    args = parse_args()
    with one_line_errors("interrupted; the same command begins anew"):
        folder = os.path.abspath(os.path.expanduser(args.folder))
        path = args.index or index_path(folder, args.shards)
        if not os.path.isdir(folder):
            raise HCSCError(f"{one_line_path(folder)} is no folder; give that of the shards")
        problem = why_not_writable(os.path.dirname(os.path.abspath(path)))
        if problem is not None:  # before the shards are read, which takes minutes
            raise HCSCError(
                f"the index cannot be written ({problem}); name another place by --index, and in "
                "the config by index="
            )
        with ProcessPoolExecutor(args.workers) as pool:
            read_all = map if args.workers == 1 else pool.map
            done = index_shards(folder, args.shards, path, args.image_key, args.label_key, read_all)
        labels = f", {done.labels:,} different labels" if done.labels else ", no labels"
        left_out = f"; {done.without_image:,} samples have none" if done.without_image else ""
        print(
            f"{one_line_path(path)}: {done.images:,} images in {done.shards:,} shards{labels}"
            f"{left_out}"
        )


if __name__ == "__main__":
    main()
