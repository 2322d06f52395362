#!/usr/bin/env python
"""Convert a checkpoint: ``python tools/convert_checkpoint.py SOURCE TARGET --to LAYOUT``. See
docs/checkpoints.md.
"""

from __future__ import annotations

import argparse
import sys

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.weights import LAYOUTS, TARGETS, convert


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Convert a checkpoint to another library's layout, and verify it there"
    )
    parser.add_argument("source", help="file to read: .pth, .pth.tar, .safetensors, .pkl")
    parser.add_argument("target", help="file to write; its ending must fit the layout")
    parser.add_argument("--to", required=True, choices=list(TARGETS), help="layout of the target")
    parser.add_argument(
        "--from",
        dest="layout",
        choices=list(LAYOUTS),
        help="layout of the source; by default it is detected",
    )
    parser.add_argument(
        "--prefix",
        help="what the names of the weights begin with in the source, such as model.net; by "
        "default it is found",
    )
    parser.add_argument(
        "--encoder",
        choices=["query", "key"],
        default="query",
        help="which encoder becomes the backbone",
    )
    parser.add_argument(
        "--image",
        help="image to compare features of; by default a photograph that scikit-learn bundles",
    )
    parser.add_argument(
        "--heads",
        type=int,
        help="heads of a ViT's attention, which its weights do not tell; by default those of the "
        "config in the file, or one for every 64 channels",
    )
    parser.add_argument("--force", action="store_true", help="replace a target that exists")
    return parser.parse_args(arguments)


def main() -> None:
    args = parse_args()
    with one_line_errors():
        try:
            report = convert(
                args.source,
                args.target,
                args.to,
                layout=args.layout,
                prefix=args.prefix,
                encoder=args.encoder,
                image=args.image,
                force=args.force,
                num_heads=args.heads,
            )
        except KeyboardInterrupt:
            print("interrupted; nothing was written", file=sys.stderr)
            sys.exit(130)
        print("\n".join(report.lines()))


if __name__ == "__main__":
    main()
