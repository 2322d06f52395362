"""What the command lines of tools/train.py, tools/test.py and tools/run_stages.py have in common;
the flags are mmpretrain's.
"""

from __future__ import annotations

import argparse
import os

from ..installed import config_file
from .configs import OptionsAction


def parse(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """Add the flags of every tool, and parse; None: the arguments of this process.

    The tool has an argument ``config``, and ``hcsc_mm::NAME`` in it is a config of this package.
    """
    parser.add_argument(
        "--work-dir",
        help="folder for logs and whatever else is written; by default work_dirs/<config name>",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=OptionsAction,
        default={},
        metavar="KEY=VALUE",
        help=(
            "change values at the top of the config, and all that follows from them, such as "
            "batch_size=64 num_prototypes=300,100,30, or single places, such as "
            "train_dataloader.batch_size=64; docs/configs.md"
        ),
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes",
    )
    # torch.distributed.launch still gives it to scripts; torchrun sets the environment variable
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    args.config = config_file(args.config)
    return args


def default_work_dir(config: str) -> str:
    """``work_dirs/<config name>``."""
    return os.path.join("work_dirs", os.path.splitext(os.path.basename(config))[0])
