#!/usr/bin/env python
"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``. The flags are mmpretrain's, with their meaning."""

from __future__ import annotations

import argparse
import os
import sys

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}" if type(error).__name__ == "DependencyError" else f"error: {error}; run: pip install -e .")

from mmengine.config import Config, DictAction

from hcsc_mm.engine.launch import run_test


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Test a checkpoint")
    parser.add_argument("config", help="path of the config file")
    parser.add_argument("checkpoint", help="path or URL of the checkpoint")
    parser.add_argument("--work-dir", help="folder for logs; by default work_dirs/<config name>")
    parser.add_argument("--out", metavar="FILE.json", help="write the metrics to this file, too")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help='change entries of the config, such as test_dataloader.batch_size=64 or key="[a,b]"',
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none", help="what started the processes")
    # torch.distributed.launch still gives it to scripts; torchrun sets the environment variable
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """The config with the command line's wishes in it."""
    cfg.launcher, cfg.load_from = args.launcher, args.checkpoint
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = os.path.join("work_dirs", os.path.splitext(os.path.basename(args.config))[0])
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    return cfg


def main() -> None:
    args = parse_args()
    run_test(args.config, lambda cfg: merge_args(cfg, args), args.out)


if __name__ == "__main__":
    main()
