"""detectron2's ``.pkl`` files: a pickled dict of NumPy arrays, read without running anything and
written for every NumPy.

A pickle names functions and calls them. Here only the handful of names that arrays are pickled with
stand for anything, and none of them for NumPy's own functions: even those would take a crafted
state (an array of objects whose bytes are pointers) at its word.
"""

from __future__ import annotations

import collections
import io
import pickle
from typing import Any, BinaryIO

import numpy as np

from ..errors import HCSCError
from ..utils.text import first_line

# What weights and counters are stored as. No objects, no text, no records.
_DTYPES = {"b1", "i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8"}
# Everything that an unpickler may raise for bytes that are no pickle, or a damaged one.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ImportError,
    OverflowError,
    MemoryError,
    RecursionError,
)


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle names something that no array needs."""


class _Dtype:
    """In the place of ``numpy.dtype``: one of a few plain types, and a byte order."""

    def __init__(self, name: str, *_: Any) -> None:
        if name not in _DTYPES:
            raise pickle.UnpicklingError(f"an array of {name!r}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """In the place of ``numpy.ndarray``: made of bytes that lie in the file, so never larger than
    it.
    """

    def __init__(
        self,
        shape: tuple = (0,),
        dtype: Any = None,
        buffer: bytes | bytearray = b"",
        order: str = "C",
    ) -> None:
        self.array = (
            np.zeros(0)
            if not isinstance(dtype, _Dtype)
            else _from_bytes(buffer, dtype, shape, order)
        )

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, content = state
        self.array = _from_bytes(content, dtype, shape, "F" if is_fortran else "C")


def _from_bytes(content: bytes | bytearray, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    array = np.frombuffer(content, dtype.dtype).reshape(shape, order=order)
    return array.astype(array.dtype.newbyteorder("="))  # a copy that may be written to


def _array_of(content: bytes | bytearray, dtype: _Dtype, shape: tuple, order: str = "C") -> _Array:
    return _Array(shape, dtype, content, order)


def _scalar_of(dtype: _Dtype, content: bytes) -> _Array:
    return _Array((), dtype, content)


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for readers of Python 2; the real ``_codecs.encode`` would look up
    any codec.
    """
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _latin1,
    ("builtins", "bytearray"): bytearray,
    ("collections", "OrderedDict"): collections.OrderedDict,
}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[(f"{_core}.multiarray", "_reconstruct")] = lambda *_: _Array()
    _NAMES[(f"{_core}.multiarray", "scalar")] = _scalar_of
    _NAMES[(f"{_core}.numeric", "_frombuffer")] = _array_of


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise ForbiddenNameError(f"{module}.{name}") from None


def load_arrays(file: BinaryIO, name: str) -> Any:
    """Read a pickle of NumPy arrays, numbers, text and containers of them.

    Args:
        file: Open for reading bytes.
        name: What to call it in errors.

    Raises:
        HCSCError: it names anything else, is damaged, or no pickle at all. Nothing in it has run.
    """
    try:
        return _unwrap(_ArraysOnly(file, encoding="latin1").load())
    except ForbiddenNameError as error:
        raise HCSCError(
            f"{name} is refused: it holds more than arrays and plain values, and loading it could "
            f"run code (it names {error}); have its owner save the arrays alone"
        ) from None
    except _DAMAGE as error:
        raise HCSCError(
            f"{name} is damaged, or no pickle of arrays ({type(error).__name__}: "
            f"{first_line(error)})"
        ) from None


def _unwrap(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _unwrap(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrap(item) for item in value)
    return value


class _AnyNumPy(pickle.Pickler):
    """Arrays by the name ``numpy.ndarray``: what NumPy 2 writes by itself, NumPy before 1.26 cannot
    read.
    """

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray:
            return np.ndarray, (
                value.shape,
                value.dtype,
                bytearray(value.tobytes()),
            )  # of a bytearray, so that it may be written to
        return NotImplemented


def dump_arrays(value: Any) -> bytes:
    """The pickle of NumPy arrays in plain containers; ordinary unpickling gives ordinary arrays."""
    stream = io.BytesIO()
    _AnyNumPy(stream, protocol=4).dump(value)
    return stream.getvalue()
