"""Which options of the command line change which stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmengine.config import Config

from ..errors import HCSCError
from ..runtime.configs import UnknownKeyError, merge_options
from ..runtime.launch import load_config_with_known
from .plan import Stage

FLAG = "--stage-options "
ALL = "all"


def read_stages(
    stages: Sequence[Stage],
    options: Mapping[str, Any],
    flags: Callable[[Config], Config],
) -> dict[Stage, tuple[Config, dict[str, Any]]]:
    """The config of each stage, changed as the command line says.

    Args:
        stages: All of the chain.
        options: '<owner>.<key>' → text or value; an owner is the name of a stage, its kind, or
            'all'. A name wins over a kind, a kind over all. What is meant for several stages
            changes those that know the key.
        flags: Puts the tool's other flags into a config.

    Returns:
        Each stage's config, and what was changed in it: see :func:`read_config`.

    Raises:
        HCSCError: no stage has the owner's name; a stage, or all that are meant, know no such key;
            or a value does not fit.
    """
    _check_owners(stages, options)
    configs, refused = {}, {}
    for stage in stages:
        configs[stage], unknown = _read(stage, options_of(stage, options), flags)
        refused[stage] = unknown
    for option in options:
        owner = option.split(".", 1)[0]
        meant = [stage for stage in stages if owner in _owners_of(stage)]
        errors = [refused[stage][option] for stage in meant if option in refused[stage]]
        if len(errors) == len(meant):
            raise next((one for one in errors if "did you mean" in str(one)), errors[0])
    return configs


def _read(
    stage: Stage, options: Mapping[str, str], flags: Callable[[Config], Config]
) -> tuple[tuple[Config, dict[str, Any]], dict[str, UnknownKeyError]]:
    """A stage's config and changes, and the options that it does not know."""
    by_key = {option.split(".", 1)[1]: option for option in options}
    wanted = {key: options[option] for key, option in by_key.items()}
    cfg, changes, unknown = load_config_with_known(stage.config, wanted, f"{FLAG}{stage.name}.")
    if cfg.get("test_evaluator") is None:
        raise HCSCError(
            f"the stage {stage.name} measures nothing: {stage.config} has no test_evaluator"
        )
    cfg = flags(cfg)
    merge_options(cfg, changes)
    return (cfg, changes), {by_key[key]: error for key, error in unknown.items()}


def options_of(stage: Stage, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a stage is meant with; of several for one key the one that names it best."""
    chosen: dict[str, str] = {}
    for owner in _owners_of(stage):
        for option in options:
            found, key = option.split(".", 1)
            if found == owner:
                chosen[key] = option
    return {option: options[option] for option in chosen.values()}


def names_sizes(options: Mapping[str, Any]) -> bool:
    """Whether options are about the size of images, also where they only repeat the config's."""
    keys = [option.split(".", 1)[1].split(".") for option in options]
    return any("pipeline" in key or key[-1] in ("image_size", "crop_size") for key in keys)


def _owners_of(stage: Stage) -> tuple[str, ...]:
    """What a stage is called by, the widest first."""
    return ALL, stage.kind, stage.name


def _check_owners(stages: Sequence[Stage], options: Mapping[str, Any]) -> None:
    owners = {owner for stage in stages for owner in _owners_of(stage)} | {ALL}
    for option in options:
        owner, _, key = option.partition(".")
        if owner not in owners or not key:
            raise HCSCError(
                f"{FLAG}{option}: begin with a stage and a point; stages are "
                f"{', '.join(sorted(owners))}"
            )
