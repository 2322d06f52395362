"""From a config file to a running Runner, on any number of processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..errors import HCSCError
from ..utils.metric_values import Value, plain, show
from ..utils.models import unwrapped
from ..utils.text import first_line
from .compilation import compile_encoders
from .config_errors import check_optimizers, config_errors
from .configs import RAISED_BY_CONFIGS, UnknownKeyError, merge_options, read_config
from .configs.fitted import FITTED
from .console import ConsoleRunner
from .downstream import LIBRARIES, check_library, let_configs_inherit_from_libraries
from .error_reports import failures_reported, one_line_errors
from .hooks import PreflightHook
from .loader_configs import check_loaders, resolve_scopes
from .one_at_a_time import alone_in
from .precision import check_precision, use_channels_last
from .preemption import signals_noted
from .pretrained import check_loadable, check_start, configs_of_type
from .processes import prepare_for_gloo
from .run_names import wait_for_a_name
from .test_output import Item, TestOutput
from .trained_otherwise import say_differences
from .trained_weights import HOOK, NO_FILE

_HOOKS_OF_MMENGINE = (
    "runtime_info",
    "timer",
    "sampler_seed",
    "logger",
    "param_scheduler",
    "checkpoint",
)


def load_config(
    path: str,
    options: Mapping[str, Any] | None = None,
    flags: Callable[[Config], Config] = lambda cfg: cfg,
    flag: str = "--cfg-options ",
) -> Config:
    """Read a config file, changed as the command line says; see :func:`read_config`.

    Args:
        path: Path of the config file.
        options: Key → text of the command line, or value.
        flags: Puts the tool's other flags into the config; the options win over them.
        flag: What stands before a key on the command line, for messages.

    Raises:
        HCSCError: it does not exist, or cannot be read, or needs a library that is not installed;
            with the reason. Or an option is misspelt, or has a value that it does not take.
    """
    cfg, changes = load_changed_config(path, options, flag)
    cfg = flags(cfg)
    merge_options(cfg, changes)
    return cfg


def load_changed_config(
    path: str, options: Mapping[str, Any] | None, flag: str = "--cfg-options "
) -> tuple[Config, dict[str, Any]]:
    """As :func:`load_config` without other flags; also what was changed, for who merges it again
    or sees whether it was kept.
    """
    if not os.path.isfile(path):
        raise HCSCError(f"there is no config file {path}")
    let_configs_inherit_from_libraries()
    try:
        cfg, changes = read_config(path, options, flag)
    except HCSCError:
        raise
    except RAISED_BY_CONFIGS as error:
        if isinstance(error, ImportError):
            # mmengine: "mmdet is not installed, ...", "Failed to import custom modules from ..."
            for library in LIBRARIES:
                if library in first_line(error):
                    check_library(library)
        raise HCSCError(
            f"cannot read the config {path}: {type(error).__name__}: {first_line(error)}"
        ) from error
    check_library(cfg.get("default_scope"))
    return cfg, changes


def load_config_with_known(
    path: str, options: Mapping[str, Any], flag: str = "--cfg-options "
) -> tuple[Config, dict[str, Any], dict[str, UnknownKeyError]]:
    """As :func:`load_changed_config`, without the options that the config does not know; also what
    is wrong with each of those, by its key.
    """
    unknown: dict[str, UnknownKeyError] = {}
    while True:
        wanted = {key: value for key, value in options.items() if key not in unknown}
        try:
            return *load_changed_config(path, wanted, flag), unknown
        except UnknownKeyError as error:
            if error.key not in wanted:
                raise
            unknown[error.key] = error


def build_runner(cfg: Config) -> Runner:
    """The config's runner, with what processes without a GPU need.

    Raises:
        HCSCError: the config asks for what cannot be had here; before anything is built.
    """
    prepare_for_gloo(cfg)
    slower = check_precision(cfg)
    _check_wishes(cfg)
    check_loaders(cfg)
    check_optimizers(cfg)
    _leave_out_hooks(cfg)
    resolve_scopes(cfg)
    not_synchronised = without_sync_batch_norm(cfg.get("model"))
    kind = (
        ConsoleRunner
        if any(configs_of_type(cfg.get("default_hooks"), "hcsc_mm.ProgressHook"))
        else Runner
    )
    wait_for_a_name(cfg)
    with config_errors(cfg):
        runner = RUNNERS.build(cfg) if "runner_type" in cfg else kind.from_cfg(cfg)
    use_channels_last(runner)
    compile_encoders(runner)
    if slower is not None:
        runner.logger.warning(slower)
    _report_recipe(cfg, runner)
    if not_synchronised:
        runner.logger.info(
            "without a GPU batch norms are not synchronised: every process has statistics of its "
            "own"
        )
    return runner


def _report_recipe(cfg: Config, runner: Runner) -> None:
    """Log what a recipe found.

    Raises:
        HCSCError: it was meant for another number of processes.
    """
    fitted = cfg.get(FITTED)
    if fitted is None:
        return
    if fitted.world_size not in (None, get_world_size()):
        raise HCSCError(
            f"the recipe was fitted to {fitted.world_size} processes and {get_world_size()} run; "
            "set the environment variable WORLD_SIZE to their number before they start"
        )
    for line in fitted.lines:
        runner.logger.info(line)


def _leave_out_hooks(cfg: Config) -> None:
    """Let ``default_hooks.<name>=None`` leave a hook out, whatever its name.

    mmengine knows this for its own six, and stumbles over any other.
    """
    hooks = cfg.get("default_hooks") or {}
    for name in [name for name, hook in hooks.items() if hook is None]:
        if name not in _HOOKS_OF_MMENGINE:
            hooks.pop(name)


def _check_wishes(cfg: Config) -> None:
    scaling = cfg.get("auto_scale_lr")
    if scaling and scaling.get("enable") and not scaling.get("base_batch_size"):
        raise HCSCError(
            "--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the config: the "
            "total batch that its lr is meant for"
        )
    for hook in configs_of_type(cfg.get("custom_hooks"), HOOK):
        if not cfg.get("resume"):
            _check_trained(hook.get("checkpoint"))
    source = cfg.get("load_from")
    if not isinstance(source, str | None):
        raise HCSCError(f"load_from={source!r} must be a path, as text: '{source}'")
    if source and "://" not in source and not os.path.isfile(source):
        purpose = "resume" if cfg.get("resume") else "start"
        raise HCSCError(f"there is no checkpoint {source} to {purpose} from")


def _check_trained(checkpoint: str | None) -> None:
    if checkpoint is None:
        raise HCSCError(NO_FILE)
    if not os.path.isfile(checkpoint):
        raise HCSCError(f"there is no file {checkpoint} to start from")


def without_sync_batch_norm(model: Any) -> bool:
    """Have plain batch norms built where there is no GPU: PyTorch synchronises none on CPUs.

    Names of weights stay.

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


def run_training(
    config: str, options: Mapping[str, Any], flags: Callable[[Config], Config]
) -> None:
    """Train what a config file and the command line say; see :func:`load_config`."""
    with one_line_errors(), signals_noted(), failures_reported():
        train(load_config(config, options, flags))


def run_test(
    config: str,
    options: Mapping[str, Any],
    flags: Callable[[Config], Config],
    out: str | None = None,
    out_item: Item | None = None,
) -> None:
    """Test what a config file and the command line say, print the metrics, and write what
    :class:`TestOutput` says to a file.
    """
    with one_line_errors(), failures_reported():
        output = TestOutput.of_flags(out, out_item)
        metrics = test(load_config(config, options, flags), output)
        if is_main_process():
            print(show(*metrics))
        if output is not None:
            output.write(metrics.values)


def train(cfg: Config) -> Runner:
    """Train what a config says, from all of its pre-trained weights or not at all.

    Returns:
        The runner at its end.
    """
    runner = build_runner(cfg)
    if not any(isinstance(hook, PreflightHook) for hook in runner.hooks):  # which looks itself
        check_start(unwrapped(runner.model), None if cfg.get("resume") else cfg.get("load_from"))
    say_differences(cfg)
    alone = alone_in(runner.work_dir) if is_main_process() else nullcontext()
    with alone, config_errors(cfg, only_built=True):
        runner.train()
    return runner


def test(cfg: Config, output: TestOutput | None = None) -> Metrics:
    """The metrics of the checkpoint ``cfg.load_from``, which must hold all of the model."""
    if not cfg.get("test_evaluator"):
        raise HCSCError(
            "the config says nothing to test: it has no test_evaluator, or an empty one; "
            "benchmark configs are under configs/benchmarks"
        )
    runner = build_runner(cfg)
    check_loadable(unwrapped(runner.model), cfg.load_from)
    say_differences(cfg, cfg.load_from)
    if output is not None:
        output.collect(runner)
    return test_metrics(runner)


class Metrics(NamedTuple):
    """What a test found.

    Attributes:
        values: By name; numbers, lists of them, or matrices.
        classes: Names of the data set's classes, where there are lists that may be of them.
    """

    values: dict[str, Value]
    classes: list[str] | None


def test_metrics(runner: Runner) -> Metrics:
    """What the runner's test loop finds, as plain values."""
    with config_errors(runner.cfg, only_built=True):
        found = runner.test()
    values = plain(found)
    dataset = runner.test_loop.dataloader.dataset
    metainfo = getattr(getattr(dataset, "dataset", dataset), "metainfo", {})  # of an ExtractionView
    has_lists = any(isinstance(value, list) for value in values.values())
    classes = metainfo.get("classes") if has_lists else None
    return Metrics(values, None if classes is None else [str(name) for name in classes])
