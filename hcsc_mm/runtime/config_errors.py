"""What goes wrong while parts are built from a config, told in one line with its place there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from types import TracebackType
from typing import Any

from mmengine.registry import OPTIMIZERS, Registry

from ..errors import HCSCError
from ..utils.numbers import check_positive
from ..utils.text import first_line

_RAISED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)

# Methods of mmengine's runner, and the entry of the config that each makes something of.
_BUILT_BY_RUNNER = {
    "build_model": "model",
    "build_train_loop": "train_cfg",
    "build_val_loop": "val_cfg",
    "build_test_loop": "test_cfg",
    "build_dataloader": "a dataloader",
    "build_evaluator": "an evaluator",
    "build_optim_wrapper": "optim_wrapper",
    "build_param_scheduler": "param_scheduler",
    "build_visualizer": "visualizer",
    "build_log_processor": "log_processor",
    "register_hooks": "default_hooks or custom_hooks",
}


@contextmanager
def config_errors(config: Mapping[str, Any], only_built: bool = False) -> Iterator[None]:
    """Turn what a constructor raises into an :class:`HCSCError` that says where its config stands.

    ``HCSC_TRACEBACK=1`` shows the whole traceback of it, as of every mistake.

    Args:
        config: The whole config.
        only_built: The body does more than to build: only what is raised below a registry's
            ``build`` is the config's fault.
    """
    try:
        yield
    except HCSCError:
        raise
    except _RAISED as error:
        frame = _innermost_build(error.__traceback__)
        if frame is None and only_built:
            raise
        whole = getattr(config, "_cfg_dict", config)  # a Config is no Mapping
        raise HCSCError(_described(whole, frame or {}, error)) from error


def _innermost_build(trace: TracebackType | None) -> dict[str, Any] | None:
    """The variables of the last call of mmengine's ``build_from_cfg`` in a traceback, or the place
    of what its runner was building.
    """
    found = None
    while trace is not None:
        name = trace.tb_frame.f_code.co_name
        if name == "build_from_cfg":
            found = trace.tb_frame.f_locals
        elif name in _BUILT_BY_RUNNER and found is None:
            found = {"place": _BUILT_BY_RUNNER[name]}
        trace = trace.tb_next
    return found


def _described(config: Mapping[str, Any], frame: Mapping[str, Any], error: BaseException) -> str:
    part = frame.get("cfg")
    kind = part.get("type") if isinstance(part, Mapping) else None
    kind = getattr(kind, "__name__", kind)
    place = frame.get("place") if part is None else place_of(config, part)
    where = (place or "the config") + (f" ({kind})" if kind else "")
    registry = frame.get("registry")
    if "obj_cls" in frame and frame["obj_cls"] is None and isinstance(registry, Registry):
        return f"{where}: nothing of this name is registered{_meant(registry, str(kind))}"
    message = error.args[0] if isinstance(error, KeyError) and error.args else first_line(error)
    message = str(message).strip().splitlines()[0] if str(message).strip() else "no message"
    return (
        f"{where} cannot be built: {type(error).__name__}: {message}; change it in the config, or "
        "see HCSC_TRACEBACK=1 for where it was raised"
    )


def check_optimizers(config: Mapping[str, Any]) -> None:
    """mmengine looks an optimizer's arguments up before it looks whether there is such a one, and
    PyTorch turns gradients round where their bound is negative.

    Raises:
        HCSCError: nothing is registered under its name, or gradients have no bound above 0.
    """
    wrapper = config.get("optim_wrapper") or {}
    with OPTIMIZERS.switch_scope_and_registry(config.get("default_scope")) as registry:
        for name, part in {"": wrapper, **wrapper}.items():
            _check_clipping(part, f"optim_wrapper.{name}" if name else "optim_wrapper")
            kind = (part.get("optimizer") or {}).get("type") if isinstance(part, Mapping) else None
            if isinstance(kind, str) and registry.get(kind) is None:
                place = f"optim_wrapper.{name}.optimizer" if name else "optim_wrapper.optimizer"
                raise HCSCError(
                    f"{place} ({kind}): nothing of this name is registered{_meant(registry, kind)}"
                )


def _check_clipping(wrapper: Any, place: str) -> None:
    """Refuse a bound of gradients that is missing or not above 0."""
    clip = wrapper.get("clip_grad") if isinstance(wrapper, Mapping) else None
    if not clip:
        return
    bound = "clip_value" if clip.get("type") == "value" else "max_norm"
    if bound not in clip:
        raise HCSCError(
            f"{place}.clip_grad has {', '.join(clip)}, and no {bound}, the bound of the gradients"
        )
    check_positive(f"{place}.clip_grad", **{bound: clip[bound]})


def _meant(registry: Registry, kind: str) -> str:
    """'; did you mean …?', or what there is."""
    names = _names_below(registry.root)
    close = get_close_matches(kind.rpartition(".")[2], sorted(names), n=3, cutoff=0.6)
    if close:
        return f"; did you mean {', '.join(close)}?"
    return f" among the {registry.name}s; is the module that defines it in custom_imports?"


def _names_below(registry: Registry) -> set[str]:
    """What a registry and those below it know: the libraries' stand side by side."""
    below = [_names_below(child) for child in registry.children.values()]
    return set(registry.module_dict).union(*below)


def place_of(config: Any, part: Any) -> str | None:
    """The dotted path of a part of a config, such as 'model.backbone'; None if it is not there."""
    items: Any = ()
    if isinstance(config, Mapping):
        items = config.items()
    elif isinstance(config, (list, tuple)):
        items = enumerate(config)
    for key, value in items:
        if isinstance(value, Mapping) and _is_same(value, part):
            return str(key)
        below = place_of(value, part)
        if below is not None:
            return f"{key}.{below}"
    return None


def _is_same(value: Mapping[str, Any], part: Mapping[str, Any]) -> bool:
    """Parts come to be built as they stand, or with defaults added, or without what others read."""
    if value is part:
        return True
    common = value.keys() & part.keys()
    return "type" in common and all(value[key] == part[key] for key in common)
