#!/usr/bin/env python
"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``. The flags are mmpretrain's, with
their meaning.
"""

from __future__ import annotations

import argparse
import sys

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from mmengine.config import Config

from hcsc_mm.garbage import spare_imports
from hcsc_mm.runtime.command_line import default_work_dir, parse
from hcsc_mm.runtime.launch import run_test


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Test a checkpoint")
    parser.add_argument("config", help="path of the config file")
    parser.add_argument("checkpoint", help="path or URL of the checkpoint")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write results to this file, too: metrics to .json and .yaml, predictions to .pkl",
    )
    parser.add_argument(
        "--out-item",
        choices=["metrics", "pred"],
        help="what to write; by default metrics to .json and .yaml, predictions to .pkl",
    )
    return parse(parser, arguments)


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """The config with what the flags say; the options come after."""
    cfg.launcher, cfg.load_from = args.launcher, args.checkpoint
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = default_work_dir(args.config)
    return cfg


def main() -> None:
    spare_imports()
    args = parse_args()
    run_test(
        args.config, args.cfg_options, lambda cfg: merge_args(cfg, args), args.out, args.out_item
    )


if __name__ == "__main__":
    main()
