"""What the command lines of tools/train.py, tools/test.py and tools/run_stages.py have in common;
the flags are mmpretrain's.
"""

from __future__ import annotations

import argparse
import os
import sys

from ..installed import config_file
from .configs import OptionsAction
from .precision import KINDS


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
    add_launcher(parser)
    args = parser.parse_args(_with_kinds(sys.argv[1:] if arguments is None else arguments))
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    args.config = config_file(args.config)
    return args


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """The flags ``--launcher`` and ``--local_rank``."""
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="what started the processes",
    )
    # torch.distributed.launch still gives it to scripts; torchrun sets the environment variable
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def add_amp(parser: argparse.ArgumentParser) -> None:
    """The flag ``--amp [fp16|bf16]``."""
    parser.add_argument(
        "--amp",
        nargs="?",
        const=KINDS[0],
        choices=KINDS,
        help=(
            "train with automatic mixed precision: fp16 (of --amp alone; needs a GPU), or bf16, "
            "also on CPUs that have it"
        ),
    )


def _with_kinds(arguments: list[str]) -> list[str]:
    """``--amp CONFIG`` has always been ``--amp``: only a kind after it belongs to it."""
    following = [*map(str, arguments[1:]), ""]
    return [
        f"--amp={KINDS[0]}" if str(one) == "--amp" and after not in KINDS else one
        for one, after in zip(arguments, following, strict=False)
    ]


def default_work_dir(config: str) -> str:
    """``work_dirs/<config name>``."""
    return os.path.join("work_dirs", os.path.splitext(os.path.basename(config))[0])
