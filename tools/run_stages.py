#!/usr/bin/env python
"""Pre-train, run the benchmarks that the config names, and print one table: ``python
tools/run_stages.py CONFIG``.

The same command goes on where it was stopped; a finished stage is not run again as long as its
config and its checkpoint stay the same.
"""

from __future__ import annotations

import argparse
import sys

try:
    import hcsc_mm  # noqa: F401  first: it checks what is installed
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

from hcsc_mm.garbage import spare_imports
from hcsc_mm.runtime.command_line import add_amp, default_work_dir, parse
from hcsc_mm.runtime.configs import OptionsAction
from hcsc_mm.runtime.error_reports import failures_reported, one_line_errors
from hcsc_mm.stages import Chain, ChainOptions


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Pre-train, run the benchmarks that the config names, and print one table"
    )
    parser.add_argument(
        "config", help="path of the pre-training config; its list stages names the benchmarks"
    )
    parser.add_argument(
        "--stages", help="only these, by name or kind, separated by commas: pretrain,knn,linear"
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="judge these weights instead of pre-training"
    )
    parser.add_argument(
        "--data-root", help="folder of the data sets, in the place of data/ in all configs"
    )
    add_amp(parser)
    parser.add_argument(
        "--stage-options",
        nargs="+",
        action=OptionsAction,
        metavar="STAGE.KEY=VALUE",
        default={},
        help=(
            "change benchmark configs; STAGE is a name, a kind, or all: "
            "linear.train_cfg.max_epochs=10 all.test_dataloader.num_workers=4"
        ),
    )
    return parse(parser, arguments)


def main() -> None:
    spare_imports()
    args = parse_args()
    options = ChainOptions(
        work_dir=args.work_dir or default_work_dir(args.config),
        stages=None if args.stages is None else args.stages.split(","),
        checkpoint=args.checkpoint,
        data_root=args.data_root,
        launcher=args.launcher,
        amp=args.amp,
        cfg_options=args.cfg_options,
        stage_options=args.stage_options,
    )
    with one_line_errors("interrupted; the same command goes on"), failures_reported():
        Chain(args.config, options).run()


if __name__ == "__main__":
    main()
