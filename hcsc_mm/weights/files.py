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
from .layouts import Weights
from .numpy_pickle import dump_arrays, load_arrays

_ZIP, _PICKLE = (
    b"PK",
    b"\x80",
)  # torch.save's format since 1.6; its older one, and pickles since protocol 2


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        weights: Name → tensor, as the file names them.
        extras: What else lies beside them: optimizer, epoch, ...
    """

    weights: Weights
    extras: list[str]


def read_checkpoint(path: str | os.PathLike) -> Checkpoint:
    """Read the weights of a ``.pth`` (or ``.pth.tar``, ...), ``.safetensors`` or ``.pkl`` file.

    They may be all of the file, or lie in it under ``state_dict`` (PyTorch's examples, OpenMMLab)
    or ``model`` (detectron2).

    Raises:
        HCSCError: no such file; damaged; of another kind; loading it could run code; or there is
            not a tensor in it.
    """
    path = Path(path)
    if not path.is_file():
        raise HCSCError(
            f"there is no file {path}" if not path.exists() else f"{path} is not a file"
        )
    content = _read(path)
    if not isinstance(content, dict):
        raise HCSCError(f"{path} holds a {type(content).__name__}, not the weights of a model")
    inner = next(
        (key for key in ("state_dict", "model") if isinstance(content.get(key), dict)), None
    )
    entries = content if inner is None else content[inner]
    weights = {
        name: torch.as_tensor(value)
        for name, value in entries.items()
        if isinstance(name, str) and _is_weight(value)
    }
    if not weights:
        raise HCSCError(
            f"{path} holds no weights; it has {', '.join(map(str, list(content)[:5])) or 'nothing'}"
        )
    extras = [str(key) for key in entries if key not in weights] + (
        [str(key) for key in content if key != inner] if inner else []
    )
    return Checkpoint(weights, extras)


def _is_weight(value: Any) -> bool:
    return (isinstance(value, Tensor) and value.layout == torch.strided) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    )


def _read(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(16)
        if path.suffix == ".pkl" and start[:2] != _ZIP:
            file.seek(0)
            return load_arrays(file, str(path))
    if path.suffix == ".safetensors":
        return load_data(path)
    if start[:2] != _ZIP and start[:1] != _PICKLE:
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
