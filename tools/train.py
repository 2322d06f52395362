#!/usr/bin/env python
"""Train a model: ``python tools/train.py CONFIG``. Flags and their meaning are mmpretrain's."""

from __future__ import annotations

import argparse
import os
import signal
import sys

if __name__ == "__main__":  # before the imports, which take seconds
    for name in ("SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):  # Windows lacks one
            # "start me again": there is nothing to save yet. Not sys.exit: where the signal comes
            # amid a destructor or a weak reference's callback, Python drops an exception
            signal.signal(getattr(signal, name), lambda *_: os._exit(75))

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

import torch
from mmengine.config import Config

from hcsc_mm.garbage import spare_imports
from hcsc_mm.runtime.command_line import add_amp, default_work_dir, parse
from hcsc_mm.runtime.launch import run_training
from hcsc_mm.runtime.precision import use_mixed_precision
from hcsc_mm.runtime.pretrained import use_checkpoint
from hcsc_mm.runtime.trained_weights import start_from


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a model")
    parser.add_argument("config", help="path of the config file")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help=(
            "resume from this checkpoint, or without a path from the latest one in the work folder"
        ),
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help=(
            "start from these trained weights; a pre-training takes them from any layout that "
            "tools/convert_checkpoint.py reads"
        ),
    )
    add_amp(parser)
    parser.add_argument(
        "--no-validate", action="store_true", help="do not evaluate during training"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help=(
            "scale the learning rate by the ratio of the real batch size to "
            "auto_scale_lr.base_batch_size"
        ),
    )
    parser.add_argument(
        "--no-pin-memory", action="store_true", help="do not pin the memory of the data loaders"
    )
    parser.add_argument(
        "--no-persistent-workers",
        action="store_true",
        help="start the workers of the data loaders anew in every epoch",
    )
    return parse(parser, arguments)


def merge_args(cfg: Config, args: argparse.Namespace) -> Config:
    """The config with what the flags say; the options come after."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = default_work_dir(args.config)
    if args.amp:
        use_mixed_precision(cfg, args.amp)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == "auto" else args.resume
    if args.checkpoint is not None and not start_from(cfg, args.checkpoint):
        use_checkpoint(cfg.model, args.checkpoint)
    if args.auto_scale_lr:
        cfg.setdefault("auto_scale_lr", {})["enable"] = True
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        loader = cfg.get(name)
        if loader is None:
            continue
        loader.setdefault("pin_memory", torch.cuda.is_available())
        if (
            cfg.get("default_scope") == "mmpretrain"
        ):  # its own; images of detectors differ in size and cannot be stacked
            loader.setdefault("collate_fn", dict(type="default_collate"))
        if args.no_pin_memory:
            loader.pin_memory = False
        if args.no_persistent_workers:
            loader.persistent_workers = False
    return cfg


def main() -> None:
    spare_imports()
    args = parse_args()
    run_training(args.config, args.cfg_options, lambda cfg: merge_args(cfg, args))


if __name__ == "__main__":
    main()
