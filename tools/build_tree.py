#!/usr/bin/env python
"""From images to a tree folder: ``python tools/build_tree.py WEIGHTS --images DIR --out tree``. See
docs/tree.md.

The same command goes on where it was stopped; when all is done it does nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

import numpy as np
from mmengine.config import Config
from mmengine.dist import get_rank

from hcsc_mm import HCSCError
from hcsc_mm.apis import FEATURES, load_embedder
from hcsc_mm.clustering.kmeans import SEEDINGS
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.embedding_flags import add_embedding_flags
from hcsc_mm.explore.page import write_page
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.summary import summarise
from hcsc_mm.explore.tree_images import open_dataset, open_folder
from hcsc_mm.explore.whole_files import check_writable
from hcsc_mm.garbage import spare_imports
from hcsc_mm.runtime.command_line import add_launcher
from hcsc_mm.runtime.error_reports import failures_reported, one_line_errors
from hcsc_mm.runtime.processes import start_processes


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Embed images, place them in a tree of prototypes, and write it as files",
        epilog="columns, files and numbers are explained in docs/tree.md",
    )
    parser.add_argument(
        "weights",
        nargs="?",
        help=(
            "a checkpoint or a work folder of a pre-training; a config, timm/NAME, "
            "torchvision/NAME or a name of mmpretrain's; not needed with --embeddings"
        ),
    )
    parser.add_argument("--pretrained", metavar="FILE", help="weights of a config or a name")
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of images; by default those that the checkpoint was trained on",
    )
    parser.add_argument(
        "--labels",
        metavar="LIST",
        help=(
            "text file with 'path label' a line: the images are those of the list, in its order; "
            "or 'folders': the first folder is the label"
        ),
    )
    parser.add_argument("--classes", metavar="FILE", help="names of the labels, one a line")
    parser.add_argument(
        "--num-prototypes",
        nargs="+",
        type=int,
        metavar="K",
        help="numbers of prototypes, the finest level first; makes a new tree",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the tree folder")
    parser.add_argument(
        "--embeddings",
        metavar="FILE.npy",
        help="(N, D) embeddings from elsewhere in the place of weights, in the order of the images",
    )
    parser.add_argument(
        "--features",
        choices=FEATURES,
        default=FEATURES[0],
        help="what the tree is made of: the projection, where the weights have one (default), the "
        "backbone's features, or both beside each other; but for the default, makes a new tree",
    )
    parser.add_argument(
        "--dtype",
        choices=["float16", "float32"],
        default="float16",
        help="type of the embeddings in images.parquet",
    )
    parser.add_argument("--npy", action="store_true", help="write embeddings.npy, too")
    parser.add_argument("--no-page", action="store_true", help="do not write the page")
    add_embedding_flags(parser)
    parser.add_argument("--seed", type=int, default=0, help="of a new clustering")
    parser.add_argument(
        "--seeding",
        choices=SEEDINGS,
        help="what a new clustering begins with (default: ward, for more than 4,096 images "
        "k-means++); makes a new tree",
    )
    parser.add_argument(
        "--redo", action="store_true", help="replace a tree of other inputs in the folder"
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep what the steps have left: other options then need not embed again",
    )
    add_launcher(parser)
    return parser.parse_args(arguments)


def open_sources(args: argparse.Namespace) -> Sources:
    """What the command line names."""
    if (args.weights is None) == (args.embeddings is None):
        raise HCSCError("give either weights or --embeddings FILE.npy")
    if args.embeddings is not None and args.features != FEATURES[0]:
        raise HCSCError(f"--features {args.features} is of weights; leave it out with --embeddings")
    if args.embeddings is not None:
        if not os.path.isfile(args.embeddings):
            raise HCSCError(f"there is no file {args.embeddings}")
        try:
            given = np.load(args.embeddings, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise HCSCError(f"{args.embeddings} is no .npy file of numbers ({error})") from None
        if not isinstance(given, np.ndarray):
            raise HCSCError(f"{args.embeddings} is no .npy file, but an archive of several arrays")
        images = args.images and open_folder(args.images, args.labels, args.classes)
        return Sources(None, images or None, given)
    embedder = load_embedder(args.weights, args.pretrained, args.device, args.features)
    if args.images is not None:
        return Sources(embedder, open_folder(args.images, args.labels, args.classes))
    if args.labels is not None:
        raise HCSCError("--labels needs --images: its paths are relative to that folder")
    dataset = embedder.training.dataset if embedder.training else None
    return Sources(embedder, open_dataset(dataset, embedder.name))


def write_page_of(out: Path, sources: Sources) -> Path | None:
    """The page, where there are images to show."""
    if sources.images is None:
        return None
    return write_page(out, sources.root or sources.images)


def main() -> None:
    spare_imports()
    args = parse_args()
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    with one_line_errors("interrupted; the same command goes on"), failures_reported():
        start = time.perf_counter()
        start_processes(Config(dict(launcher=args.launcher, env_cfg={})))
        out = Path(args.out)
        check_writable(out)
        sources = open_sources(args)
        options = BuildOptions(
            num_prototypes=args.num_prototypes and tuple(args.num_prototypes),
            dtype=args.dtype,
            npy=args.npy,
            batch_size=args.batch_size,
            num_workers=args.num_workers,
            unreadable=args.unreadable,
            seed=args.seed,
            seeding=args.seeding,
            redo=args.redo,
            keep=args.keep,
        )
        is_new = build_tree(sources, out, options)
        if get_rank() != 0:
            return
        page = None if args.no_page else write_page_of(out, sources)
        took = f"{time.perf_counter() - start:.0f} s" if is_new else "finished before"
        print("\n".join(summarise(out, took, page)))


if __name__ == "__main__":
    main()
