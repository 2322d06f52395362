"""From a config file to a running Runner, on any number of processes, errors in one line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.error import URLError

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed, is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from ..dependencies import first_line
from ..errors import HCSCError
from ..utils.libraries import check_library, let_configs_inherit_from_libraries
from ..utils.metric_values import Value, plain, short, tables
from ..utils.preemption import PreemptedError, signals_noted
from ..utils.rendezvous import report_failure
from ..utils.wrappers import unwrapped
from .checkpoint_files import write_text
from .pretrained import check_loadable, check_pretrained, configs_of_type

# How a collective ends when a process at its other end is gone.
_LOST_CONNECTION = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
# Dropping tensors takes gloo microseconds, once its threads have a core.
_GLOO_SECONDS = 0.5


@contextmanager
def one_line_errors(interrupted: str = "interrupted; continue with --resume") -> Iterator[None]:
    """Turn a user's mistake into one line on standard error and exit code 1; anything else keeps
    its traceback.

    Ctrl-C says ``interrupted`` and exits with 130, as shells expect. ``HCSC_TRACEBACK=1`` shows
    tracebacks of mistakes, too.
    """
    if os.environ.get("HCSC_TRACEBACK"):
        yield
        return
    try:
        yield
    except HCSCError as error:
        sys.exit(f"error: {error.one_line()}")
    except URLError as error:  # a data set or weights that are fetched when they are not there
        sys.exit(
            f"error: a download failed ({error.reason}); put the files in place by hand, or mend "
            "the connection"
        )
    except OSError as error:  # a folder that may not be written, a full disk
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        sys.exit(f"error: {error}")
    except PreemptedError as stop:
        if is_main_process():
            print(stop.message, file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        sys.exit(130)


def load_config(path: str) -> Config:
    """Read a config file.

    Raises:
        HCSCError: it does not exist, or cannot be read, or needs a library that is not installed;
            with the reason.
    """
    if not os.path.isfile(path):
        raise HCSCError(f"there is no config file {path}")
    let_configs_inherit_from_libraries()
    try:
        cfg = Config.fromfile(path)
    except ImportError as error:
        check_library(first_line(error).split()[0])  # mmengine: "mmdet is not installed, ..."
        raise HCSCError(f"cannot read the config {path}: {first_line(error)}") from error
    except (OSError, SyntaxError, KeyError, TypeError, AttributeError) as error:
        raise HCSCError(
            f"cannot read the config {path}: {type(error).__name__}: {first_line(error)}"
        ) from error
    check_library(cfg.get("default_scope"))
    return cfg


def use_mixed_precision(cfg: Config) -> None:
    """Let a config train with automatic mixed precision."""
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def build_runner(cfg: Config) -> Runner:
    """The config's runner, with what processes without a GPU need."""
    _prepare_for_gloo(cfg)
    if (cfg.get("optim_wrapper") or {}).get(
        "type"
    ) == "AmpOptimWrapper" and not torch.cuda.is_available():
        raise HCSCError(
            "mixed precision needs a GPU, which PyTorch does not see here; leave out --amp"
        )
    scaling = cfg.get("auto_scale_lr")
    if scaling and scaling.get("enable") and not scaling.get("base_batch_size"):
        raise HCSCError(
            "--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config: the "
            "total batch that its lr is meant for"
        )
    if cfg.get("load_from") and "://" not in cfg.load_from and not os.path.isfile(cfg.load_from):
        raise HCSCError(
            f"there is no checkpoint {cfg.load_from} to "
            f"{'resume' if cfg.get('resume') else 'start'} from"
        )
    not_synchronised = without_sync_batch_norm(cfg.get("model"))
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    if not_synchronised:
        runner.logger.info(
            "without a GPU batch norms are not synchronised: every process has statistics of its "
            "own"
        )
    return runner


def without_sync_batch_norm(model: Any) -> bool:
    """Have plain batch norms built where there is no GPU: PyTorch synchronises none on CPUs. Names
    of weights stay.

    Args:
        model: Config of a model, changed in place.

    Returns:
        Whether there were synchronised ones.
    """
    if torch.cuda.is_available():
        return False
    norms = list(configs_of_type(model, "SyncBN"))
    for norm in norms:
        norm["type"] = "BN"
    return bool(norms)


def run_training(config: str, change: Callable[[Config], Config]) -> None:
    """Train what a config file says, after ``change`` has put the command line's wishes into it."""
    with one_line_errors(), signals_noted(), failures_reported():
        train(change(load_config(config)))


def run_test(config: str, change: Callable[[Config], Config], out: str | None = None) -> None:
    """Test what a config file says, print the metrics, and write them to a JSON file ``out``."""
    with one_line_errors(), failures_reported():
        metrics = test(change(load_config(config)))
        if is_main_process():
            print(show(*metrics))
            if out is not None:
                write_text(out, json.dumps(metrics.values, indent=2))


def train(cfg: Config) -> Runner:
    """Train what a config says, from all of its pre-trained weights or not at all; returns the
    runner at its end.
    """
    runner = build_runner(cfg)
    check_pretrained(unwrapped(runner.model))
    runner.train()
    return runner


def test(cfg: Config) -> Metrics:
    """The metrics of the checkpoint ``cfg.load_from``, all of whose weights for the model there
    must be.
    """
    if cfg.get("test_evaluator") is None:
        raise HCSCError(
            "the config says nothing to test: it has no test_evaluator; benchmark configs are "
            "under configs/benchmarks"
        )
    runner = build_runner(cfg)
    check_loadable(unwrapped(runner.model), cfg.load_from)
    return measure(runner)


class Metrics(NamedTuple):
    """What a test found.

    Attributes:
        values: By name; numbers, lists of them, or matrices.
        classes: Names of the data set's classes, where there are lists that may be of them.
    """

    values: dict[str, Value]
    classes: list[str] | None


def measure(runner: Runner) -> Metrics:
    """What the runner's test loop finds, as plain values."""
    values = plain(runner.test())
    dataset = runner.test_loop.dataloader.dataset
    metainfo = getattr(getattr(dataset, "dataset", dataset), "metainfo", {})  # of an ExtractionView
    has_lists = any(isinstance(value, list) for value in values.values())
    classes = metainfo.get("classes") if has_lists else None
    return Metrics(values, None if classes is None else [str(name) for name in classes])


def show(values: dict[str, Value], classes: list[str] | None) -> str:
    """Metrics for people: a line for each, and tables of what they say of classes."""
    width = max(map(len, values), default=0)
    lines = [
        f"{name:{width}}  {f'{value:.4f}' if isinstance(value, float) else short(name, value)}"
        for name, value in values.items()
    ]
    below = tables(values, classes)
    return "\n".join([*lines, *(["", below.rstrip()] if below else [])])


@contextmanager
def failures_reported() -> Iterator[None]:
    """Let the rank that fails first have the word: torchrun gets its traceback, and the others say
    one line.

    However it ends, the threads of gloo are done before the process is.
    """
    try:
        yield
    except Exception as error:
        message = (
            error.one_line()
            if isinstance(error, HCSCError)
            else f"{type(error).__name__}: {first_line(error)}"
        )
        first = report_failure(message)
        if first is not None:
            raise HCSCError(f"stopped because {first} failed, which says why") from None
        lost = next((words for words in _LOST_CONNECTION if words in str(error)), None)
        if lost is not None and is_distributed():
            raise HCSCError(
                f"lost another process ({lost}); it was killed, or says itself what happened"
            ) from None
        if "TORCHELASTIC_ERROR_FILE" in os.environ:
            get_error_handler().record_exception(error)
        raise
    finally:
        _let_gloo_finish()


def _let_gloo_finish() -> None:
    """Give gloo's threads the interpreter once more, to drop the tensors of the last collective.

    One that asks for it while Python is ending is ended itself, in the middle of a destructor, and
    the whole process is aborted: after a run that ended well, and in the place of the exit code
    that asks for another start. Of 56 short runs on a busy machine 4 ended so.
    """
    if is_distributed() and torch.distributed.get_backend() == "gloo":
        time.sleep(_GLOO_SECONDS)


def start_processes(cfg: Config) -> None:
    """Let the processes of ``cfg.launcher`` meet, as the Runner would; for who needs them before,
    or for several Runners.
    """
    _prepare_for_gloo(cfg)
    if cfg.get("launcher", "none") != "none" and not is_distributed():
        init_dist(cfg.launcher, **cfg.env_cfg.get("dist_cfg", {"backend": "nccl"}))


def _prepare_for_gloo(cfg: Config) -> None:
    """Without GPUs: mmengine selects a CUDA device before it starts any process group, and gives
    DDP a device id; neither exists here.
    """
    if cfg.get("launcher", "none") == "none" or torch.cuda.is_available():
        return
    if not is_distributed():
        if cfg.launcher == "slurm":
            _take_over_slurm_environment()
        torch.distributed.init_process_group("gloo")
    cfg.env_cfg.setdefault("dist_cfg", {})["backend"] = "gloo"
    cfg.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel", device_ids=None, broadcast_buffers=False
    )


def _take_over_slurm_environment() -> None:
    """The rendezvous variables of PyTorch from those of Slurm, as mmengine does it for GPUs."""
    os.environ.setdefault("RANK", os.environ["SLURM_PROCID"])
    os.environ.setdefault("WORLD_SIZE", os.environ["SLURM_NTASKS"])
    os.environ.setdefault("LOCAL_RANK", os.environ["SLURM_LOCALID"])
    os.environ.setdefault("MASTER_PORT", "29500")
    if "MASTER_ADDR" not in os.environ:
        hosts = subprocess.run(
            ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]],
            check=True,
            capture_output=True,
            text=True,
        )
        os.environ["MASTER_ADDR"] = hosts.stdout.splitlines()[0]
