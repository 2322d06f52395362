"""Pickles of arrays: read without running what they name, written for everybody."""

import collections
import io
import pickle
import pickletools

import numpy as np
import pytest
import torch
from malicious import Malicious

from hcsc_mm import HCSCError
from hcsc_mm.weights.numpy_pickle import dump_arrays, load_arrays


def read(content):
    return load_arrays(io.BytesIO(content), "weights.pkl")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i8"),
        np.array(7),
        np.array([1.5, -2], dtype=np.float16),
        np.array([True, False]),
    ],
    ids=["float", "fortran", "big-endian", "scalar array", "half", "bool"],
)
def test_arrays_that_numpy_pickles_are_read(array, protocol):
    loaded = read(
        pickle.dumps(
            {"model": collections.OrderedDict(weight=array, number=np.float64(0.5))}, protocol
        )
    )
    np.testing.assert_array_equal(loaded["model"]["weight"], array)
    assert loaded["model"]["weight"].dtype == array.dtype.newbyteorder("=")
    assert loaded["model"]["number"] == 0.5
    loaded["model"]["weight"][...] = 0  # may be written to, as training will


def test_written_arrays_are_ordinary_ones_for_ordinary_unpickling():
    written = {
        "model": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(3)},
        "__author__": "me",
    }
    loaded = pickle.loads(dump_arrays(written))
    assert (
        type(loaded["model"]["weight"]) is np.ndarray and loaded["model"]["weight"].flags.writeable
    )
    assert torch.equal(torch.from_numpy(loaded["model"]["weight"]), torch.arange(6.0).reshape(2, 3))
    assert loaded["model"]["count"].shape == () and loaded["__author__"] == "me"
    np.testing.assert_array_equal(
        read(dump_arrays(written))["model"]["weight"], written["model"]["weight"]
    )


def test_written_pickle_names_nothing_that_only_some_versions_of_numpy_have():
    """NumPy 2 calls its core numpy._core, which NumPy before 1.26 does not know."""
    strings = [
        value
        for _, value, _ in pickletools.genops(dump_arrays({"weight": np.zeros(2)}))
        if isinstance(value, str)
    ]
    assert {"numpy", "ndarray", "dtype"} <= set(strings)
    assert not any("core" in value for value in strings)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickle_that_names_a_function_is_refused_and_not_run(tmp_path, protocol):
    trap = tmp_path / "code has run"
    with pytest.raises(HCSCError, match=r"weights\.pkl is refused: .*it names posix\.mkdir"):
        read(pickle.dumps({"model": {"weight": np.zeros(2)}, "extra": Malicious(trap)}, protocol))
    assert not trap.exists()


@pytest.mark.parametrize(
    "call",
    [
        b'cbuiltins\neval\n(S\'open("ran", "w")\'\ntR.',
        b"cnumpy\nload\n(S'other.npy'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"cnumpy\nndarray.tofile\n(S'ran'\ntR.",
    ],
)
def test_other_names_of_allowed_modules_are_refused(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HCSCError, match=r"refused|damaged"):
        read(call)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [np.array([object()]), np.array(["text"]), np.zeros(2, dtype=[("a", "f4")])]
)
def test_arrays_of_anything_but_numbers_are_refused(array):
    with pytest.raises(HCSCError, match=r"refused|damaged"):
        read(pickle.dumps(array))


def test_array_that_claims_to_be_larger_than_its_bytes_is_refused():
    content = pickle.dumps(np.arange(6, dtype=np.float32), 2).replace(b"K\x06\x85", b"K\x60\x85")
    with pytest.raises(HCSCError, match="damaged"):
        read(content)


def test_truncated_pickle_is_refused_wherever_it_ends():
    content = dump_arrays({"model": {"weight": np.arange(6.0)}})
    for length in range(len(content)):
        with pytest.raises(HCSCError, match="damaged"):
            read(content[:length])
