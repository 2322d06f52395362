"""``compile=True`` in a config: the networks are compiled, and nothing around them."""

from __future__ import annotations

from typing import Any

from mmengine.runner import Runner
from torch import nn

from ..errors import HCSCError
from ..utils.models import unwrapped

_NETWORKS = ("backbone", "neck", "momentum_encoder")


def compile_encoders(runner: Runner) -> None:
    """Do what ``cfg.compile`` asks for, in the place of mmengine.

    mmengine compiles the whole training step. What every sample brings along (its number, its path)
    is part of that and differs each time, so that it is compiled again at every step. Here the
    networks are compiled, each by itself and in place: names of weights stay. Each size of batch
    and image has its own program: there are few, and one for any size takes minutes to be made.

    Args:
        runner: Built, not trained; its ``cfg.compile`` is True, or a dict of the options of
            ``torch.compile``.

    Raises:
        HCSCError: the model has no backbone to compile.
    """
    wish = runner.cfg.get("compile")
    if not wish or runner.cfg.get("default_scope") != "mmpretrain":
        return
    options: dict[str, Any] = {"dynamic": False, **(wish if isinstance(wish, dict) else {})}
    model = unwrapped(runner.model)
    networks = [getattr(model, name, None) for name in _NETWORKS]
    networks = [one for one in networks if isinstance(one, nn.Module)]
    if not isinstance(getattr(model, "backbone", None), nn.Module):
        raise HCSCError(
            f"compile={wish!r} compiles the backbone, and {type(model).__name__} has none; leave "
            "compile out"
        )
    for network in networks:
        network.compile(**options)
    runner.cfg.compile = False  # mmengine would do it its way
    runner.logger.info(
        f"{len(networks)} networks of {type(model).__name__} are compiled in their first steps"
    )
