"""A config that fits itself: values at its top that a function finds when the config is read.

``recipe = dict(type="hcsc_mm.fit_to_images")`` names the function. What it finds takes the place of
the values at the top, as if it had been given on the command line, and all that follows from them
follows. What somebody has given stays: names on the command line, and those that a file assigns
which inherits from the one with the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS

from ...errors import HCSCError
from .names import names_assigned_after

RECIPE, FITTED = "recipe", "fitted"


@dataclass(frozen=True)
class Fitted:
    """What a recipe found.

    Attributes:
        values: Name at the top of the config → value.
        lines: For the log.
        world_size: Number of processes that it is meant for; None: any.
    """

    values: Mapping[str, Any]
    lines: list[str]
    world_size: int | None = None


def fit(path: str, cfg: Config, options: Mapping[str, Any]) -> Fitted | None:
    """What the recipe of a config finds.

    Args:
        path: Path of the config file.
        cfg: Read from it, with the options.
        options: Options of the command line, by key.

    Returns:
        Values to put in before the options; None for a config without a recipe.

    Raises:
        HCSCError: there is no such recipe, or it cannot work.
    """
    recipe = cfg.get(RECIPE)
    if recipe is None:
        return None
    arguments = dict(recipe)
    function = FUNCTIONS.get(str(arguments.pop("type", None)))
    if function is None:
        raise HCSCError(f"there is no recipe {recipe.get('type')}; try hcsc_mm.fit_to_images")
    given = {*options, *names_assigned_after(path, RECIPE)}
    by_hand = {name: cfg[name] for name in given if name in cfg and name != RECIPE}
    found = function(cfg, by_hand, **arguments)
    # those of inheriting files are put in, too, for what follows from them in the files above
    values = {name: value for name, value in found.values.items() if name not in options}
    missing = [name for name in values if name not in cfg]
    if missing:
        raise HCSCError(f"the recipe finds {missing[0]}, which {path} has no use for")
    return Fitted(values, found.lines, found.world_size)
