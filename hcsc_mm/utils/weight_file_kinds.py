"""What a file that is given for weights is, by its first bytes, without loading it."""

from __future__ import annotations

import os
import zipfile

# torch.save's format since 1.6; its older one, and pickles since protocol 2
ZIP, _PICKLE = b"PK", b"\x80"
_OTHERS = {
    b"\x89HDF": "an HDF5 file, such as Keras writes; give weights of PyTorch",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; run git lfs pull",
    b"<": "a web page, such as a failed download leaves; get it again",
    b"{": "text; give a file of weights",
}
_TORCHSCRIPT = (
    "a program (TorchScript), not weights; have its owner save the state_dict() of the model that "
    "it was made of"
)
_EXPORTED = (
    "a program (torch.export), not weights; have its owner save the state_dict() of the model that "
    "it was made of"
)


def foreign_kind(path: str | os.PathLike) -> str | None:
    """What a file is, in words that end with what to do, if it is none that weights are saved in;
    None for PyTorch's, safetensors' and what is not recognised.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(ZIP):
        return _kind_of_archive(path)
    return next(
        (kind for mark, kind in _OTHERS.items() if start.lstrip().startswith(mark)),
        None,
    )


def is_safetensors(path: str | os.PathLike) -> bool:
    """By content, whatever the name: eight bytes of length, and a header in JSON."""
    with open(path, "rb") as file:
        start = file.read(16)
    if len(start) < 9 or start.startswith((ZIP, _PICKLE)):
        return False
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= os.path.getsize(path) - 8


def is_of_pytorch(path: str | os.PathLike) -> bool:
    """Whether a file begins as PyTorch's do."""
    with open(path, "rb") as file:
        return file.read(2).startswith((ZIP, _PICKLE))


def _kind_of_archive(path: str | os.PathLike) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return None  # truncated: who checks for damage says so
    if any(name.endswith("/constants.pkl") for name in names):
        return _TORCHSCRIPT
    if any(
        name.endswith(("/archive_format", "serialized_exported_program.json")) for name in names
    ):
        return _EXPORTED
    if not any(name.endswith("/data.pkl") for name in names):
        return "an archive without weights; unpack it, and give the file in it"
    return None
