"""What the command lines of tools/build_tree.py and tools/assign.py have in common."""

from __future__ import annotations

import argparse
import os


def add_embedding_flags(parser: argparse.ArgumentParser) -> None:
    """Flags for how images are read and embedded, see :func:`~.embedding.embed_images`."""
    parser.add_argument(
        "--unreadable",
        choices=["list", "stop"],
        default="list",
        help="images that cannot be read: list them in the table with the reason, or stop",
    )
    parser.add_argument("--batch-size", type=int, default=64, help="images at a time")
    parser.add_argument(
        "--num-workers",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="loader processes, per process",
    )
    parser.add_argument("--device", help="such as cuda:1 or cpu; by default a GPU if there is one")
