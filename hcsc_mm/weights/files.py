"""Checkpoint files of every kind, read without running anything and written by the ending of their
name.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import HCSCError
from ..utils.safe_load import find_damage, load_data
from ..utils.weight_file_kinds import ZIP, foreign_kind, is_of_pytorch, is_safetensors
from .layouts import Weights
from .numpy_pickle import dump_arrays, load_arrays

# Under which files have the weights of a model, the likeliest first ...
_MODELS = (
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network", "net_state_dict"),
    *("weights", "params", "module"),
)
# ... and those of several.
_ROLES = (
    *("student", "teacher", "encoder", "backbone", "online", "target", "online_network"),
    *("target_network", "model_ema", "ema", "state_dict_ema"),
)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        weights: Name → tensor, as the file names them.
        extras: What else lies beside them: optimizer, epoch, ...
        config: Text of the config that a checkpoint of OpenMMLab carries; None if there is none.
    """

    weights: Weights
    extras: list[str]
    config: str | None = None


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read the weights of a ``.pth`` (or ``.pth.tar``, ...), ``.safetensors`` or ``.pkl`` file.

    They may be all of the file, or lie in it under ``state_dict`` (PyTorch's examples, OpenMMLab),
    ``model`` (detectron2), ``net``, ``model_state_dict`` and the like, one in the other or not.
    Where there are several (``student`` and ``teacher``), all are read, and their names begin with
    those words.

    Raises:
        HCSCError: no such file; damaged; of another kind; a program; loading it could run code; or
            there is not a tensor in it.
    """
    path = Path(path)
    if not path.is_file():
        raise HCSCError(
            f"there is no file {path}" if not path.exists() else f"{path} is not a file"
        )
    content = _read(path)
    if not isinstance(content, dict):
        raise HCSCError(f"{path} holds a {type(content).__name__}, not the weights of a model")
    weights, extras = _weights_in(content)
    if not weights:
        raise HCSCError(
            f"{path} holds no weights; it has {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        )
    if any(value.is_meta for value in weights.values()):
        raise HCSCError(f"{path} holds the shapes of weights without their values; save the model")
    meta = content.get("meta")
    text = meta.get("cfg") if isinstance(meta, dict) else None
    return Checkpoint(weights, extras, text if isinstance(text, str) else None)


def _weights_in(content: dict) -> tuple[Weights, list[str]]:
    """Name → tensor, and what else is there."""
    key = next((key for key in _MODELS if isinstance(content.get(key), dict)), None)
    if key is not None:
        weights, extras = _weights_in(content[key])
        return weights, extras + [_named(other, content) for other in content if other != key]
    weights = {
        name: torch.as_tensor(value)
        for name, value in content.items()
        if isinstance(name, str) and _is_weight(value)
    }
    if not weights:
        for role in _ROLES:
            inner = _weights_in(content[role])[0] if isinstance(content.get(role), dict) else {}
            weights.update({f"{role}.{name}": value for name, value in inner.items()})
    if not weights:  # under a word of their own, if that is the only one
        below = {
            key: _weights_in(value)
            for key, value in content.items()
            if isinstance(key, str) and isinstance(value, dict)
        }
        holding = [key for key, (inner, _) in below.items() if inner]
        if len(holding) == 1:
            weights, extras = below[holding[0]]
            return weights, extras + [str(key) for key in content if key != holding[0]]
    taken = {name.split(".")[0] for name in weights} | weights.keys()
    return weights, [str(name) for name in content if name not in taken]


def _named(key: Any, content: dict) -> str:
    """An entry that is left out; another model's weights are called so."""
    inner = _weights_in(content[key])[0] if isinstance(content[key], dict) else {}
    known = key in (*_MODELS, *_ROLES)
    return f"{key} ({len(inner)} weights of its own)" if known and inner else str(key)


def _is_weight(value: Any) -> bool:
    return (isinstance(value, Tensor) and value.layout == torch.strided) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    )


def _read(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(16)
        if path.suffix == ".pkl" and not start.startswith(ZIP):
            file.seek(0)
            return load_arrays(file, str(path))
    kind = foreign_kind(path)
    if kind is not None:
        raise HCSCError(f"{path} is {kind}")
    if is_safetensors(path) or (path.suffix == ".safetensors" and not is_of_pytorch(path)):
        return load_data(path)
    if not is_of_pytorch(path):
        what = f"it starts with {start!r}" if start else "it is empty"
        raise HCSCError(
            f"{path} is no checkpoint: {what}; give a .pth, .safetensors or .pkl file of weights"
        )
    problem = find_damage(path)
    if problem is not None:
        raise HCSCError(f"{path} is damaged ({problem}); get it again")
    return load_data(path, map_location="cpu")


def encode(content: dict[str, Any], ending: str) -> bytes:
    """The bytes of a file with this ending.

    Args:
        content: For ``.pth`` anything of tensors and plain values; for ``.pkl`` the same, whose
            tensors become arrays; for ``.safetensors`` tensors only.
        ending: With its dot.
    """
    if ending == ".safetensors":
        try:
            from safetensors.torch import save
        except ImportError:
            raise HCSCError(
                "a .safetensors file needs safetensors; pip install safetensors, or give a .pth "
                "target"
            ) from None
        return save(content, metadata={"format": "pt"})
    if ending == ".pkl":
        return dump_arrays({key: _to_arrays(value) for key, value in content.items()})
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _to_arrays(value: Any) -> Any:
    return (
        {name: tensor.numpy() for name, tensor in value.items()}
        if isinstance(value, dict)
        else value
    )
