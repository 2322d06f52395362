"""Reading files that may come from outside without running code that they may hold."""

from __future__ import annotations

import functools
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from ..errors import HCSCError
from .text import first_line
from .weight_file_kinds import foreign_kind, is_of_pytorch, is_safetensors

_WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


class _History(HistoryBuffer):
    """A log history from a file, without the functions that mmengine saves with it."""

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(
            {name: state[name] for name in ("max_length", "_log_history", "_count_history")}
        )


class _Options:
    """In the place of the command line's options, which published checkpoints have beside their
    weights.
    """


def _no_attribute(*_: Any) -> None:
    """In the place of ``getattr``, which mmengine allows because its histories hold functions, and
    which reaches any function there is.
    """


def _allowed() -> list:
    """All that a checkpoint of mmengine may name besides tensors and plain containers; our own name
    nothing of it.
    """
    core = np._core if hasattr(np, "_core") else np.core
    dtypes = {
        type(np.dtype(name)) for name in (*("bool", "float16", "float32", "float64"), *_WHOLE)
    }
    return [
        (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
        (_Options, "argparse.Namespace"),
        (_no_attribute, "builtins.getattr"),
        (_no_attribute, "__builtin__.getattr"),
        *(
            (core.multiarray._reconstruct, f"numpy.{name}.multiarray._reconstruct")
            for name in ("core", "_core")
        ),
        *(
            (core.multiarray.scalar, f"numpy.{name}.multiarray.scalar")
            for name in ("core", "_core")
        ),
        np.ndarray,
        np.dtype,
        *sorted(dtypes, key=str),
    ]


def load_data(
    file: str | os.PathLike | BinaryIO,
    map_location: Any = None,
    weights_only: bool | None = None,
    mmap: bool = False,
) -> Any:
    """``torch.load`` that reads tensors, numbers, text and containers of them, and refuses all
    else.

    Args:
        file: Path or open file; safetensors are told by their content.
        map_location: Where tensors go, as in ``torch.load``.
        weights_only: Accepted for mmengine, which calls this in the place of its own loader; it is
            always True.
        mmap: Leave tensors in the file until they are used.

    Raises:
        HCSCError: the file names anything else, is damaged, a program, or no checkpoint at all.
        FileNotFoundError: there is no such file.
    """
    if isinstance(file, (str, os.PathLike)) and os.path.isfile(file):
        kind = foreign_kind(file)
        if kind is not None:
            raise HCSCError(f"{os.fspath(file)} is {kind}")
        of_safetensors = os.fspath(file).endswith(".safetensors") and not is_of_pytorch(file)
        if of_safetensors or is_safetensors(file):
            return _load_safetensors(os.fspath(file))
    name = (
        os.fspath(file)
        if isinstance(file, (str, os.PathLike))
        else getattr(file, "name", "the checkpoint")
    )
    try:
        with torch.serialization.safe_globals(_allowed()):
            if isinstance(file, (str, os.PathLike)) and os.fspath(file).endswith(".safetensors"):
                with open(file, "rb") as content:  # torch goes by the name of a path
                    loaded = torch.load(content, map_location=map_location, weights_only=True)
            else:
                loaded = torch.load(file, map_location=map_location, weights_only=True, mmap=mmap)
    except UnpicklingError as error:
        raise HCSCError(_refusal(name, error)) from None
    except (
        RuntimeError,
        EOFError,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
        zipfile.BadZipFile,
    ) as error:
        what = f"{type(error).__name__}: {_without_advice(first_line(error))}"
        raise HCSCError(f"{name} is damaged, or no checkpoint ({what})") from None
    return _without_code(loaded)


def load_from_local(filename: str, map_location: Any = None) -> Any:
    """mmengine's loader of local files, for whole files that hold data only."""
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise HCSCError(f"there is no checkpoint {filename}")
    problem = find_damage(filename)
    if problem is not None:
        raise HCSCError(
            f"{filename} is damaged ({problem}); take another checkpoint, or --resume without a "
            "path for the newest whole one"
        )
    return load_data(filename, map_location)


def find_damage(path: str | os.PathLike) -> str | None:
    """What is wrong with a checkpoint file; None if every byte is as it was written. Files of
    PyTorch's old format cannot be checked.

    ``torch.load`` itself does not compare checksums: it would take a flipped bit for a weight.
    """
    if os.path.getsize(path) < 4:  # not even the first mark of any format
        return "it is truncated: there is next to nothing in it"
    with open(path, "rb") as file:
        if file.read(2) != b"PK":
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            record = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        return f"it is truncated: {first_line(error)}"
    return None if record is None else f"the checksum of {record} is wrong"


def make_mmengine_load_safely() -> None:
    """Give mmengine's loaders of every kind of path (files, URLs, model zoos) the rules of
    :func:`load_data`.

    mmengine loads a second time with ``weights_only=False`` when the first, safe, load fails. What
    goes through it here: load_from, resume, ``pretrained``, and
    ``init_cfg=dict(type='Pretrained')``.
    """
    mmengine_checkpoint._safe_torch_load = load_data
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if not hasattr(loader, "__wrapped__"):
            CheckpointLoader.register_scheme(prefix, _guarded(loader), force=True)
    CheckpointLoader.register_scheme("", _guarded(load_from_local), force=True)


def _guarded(loader: Callable) -> Callable:
    """A loader of mmengine's during which every ``torch.load``, also that of torch.hub, is a safe
    one.
    """

    @functools.wraps(loader)
    def load(filename: str, map_location: Any = None) -> Any:
        try:
            with _weights_only_everywhere():
                return _without_code(loader(filename, map_location))
        except UnpicklingError as error:
            raise HCSCError(_refusal(filename, error)) from None

    return load


@contextmanager
def _weights_only_everywhere() -> Iterator[None]:
    """PyTorch's own switch that overrules a ``weights_only=False``."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _without_code(loaded: Any) -> Any:
    """mmengine runs the text of ``meta['config']`` as Python when it resumes; what it saves today
    is called ``cfg``, and is not run.
    """
    if isinstance(loaded, dict) and isinstance(loaded.get("meta"), dict):
        loaded["meta"].pop("config", None)
    return loaded


def _refusal(name: str, error: Exception) -> str:
    if "Unsupported operand" in str(error):
        return f"{name} is no checkpoint: PyTorch did not write it; have its owner save it anew"
    return (
        f"{name} is refused: it holds more than tensors and plain values, and loading it could run "
        f"code ({_culprit(error)}); have its owner save the state dict alone"
    )


def _culprit(error: Exception) -> str:
    """What PyTorch stumbled over, without its advice to load the file all the same."""
    text = str(error)
    built = re.search(r"but got <class '([\w.]+)'>", text)
    if built is not None:
        return f"it names {built[1]}"
    for start in ("Unsupported global: GLOBAL ", "Trying to load unsupported GLOBAL "):
        if start in text:
            return "it names " + text.split(start, maxsplit=1)[1].split(maxsplit=1)[0]
    return _without_advice(first_line(UnpicklingError(text.split("WeightsUnpickler error: ")[-1])))


def _without_advice(text: str) -> str:
    """PyTorch's words without those on how to load the file all the same."""
    kept = re.split(r"In PyTorch 2\.6|Re-running|weights_only", text)[0].strip()
    return kept or "PyTorch does not load it as data"


def _load_safetensors(path: str) -> dict:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise HCSCError(f"{path} needs safetensors; pip install safetensors") from None
    try:
        return {"state_dict": load_file(path)}
    except SafetensorError as error:
        raise HCSCError(
            f"{path} is damaged, or no safetensors file ({first_line(error)})"
        ) from None
