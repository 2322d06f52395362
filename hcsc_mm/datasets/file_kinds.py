"""Which files of a folder are its images, by their names."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from ..errors import HCSCError
from ..utils.text import one_line_path
from .transforms.pictures import FORMATS

_ENDINGS = {  # Pillow's format → endings of names
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "PNG": ".png .apng",
    "PPM": ".ppm .pgm .pbm .pnm",
    "BMP": ".bmp",
    "TIFF": ".tif .tiff",
    "WEBP": ".webp",
    "GIF": ".gif",
    "JPEG2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "AVIF": ".avif",
    "HEIF": ".heic .heif .hif",
}
# What mends it where a format is not read here; by Pillow's name of it.
_REMEDIES = {
    "HEIF": "pip install pillow-heif",
    "AVIF": "pip install 'pillow>=11.3'",
    "JPEG2000": "install a Pillow with JPEG 2000",
    "WEBP": "install a Pillow with WebP",
}


def endings_read(formats: Sequence[str]) -> tuple[str, ...]:
    """Endings of names of images that can be read, by the formats that can."""
    return tuple(
        ending
        for name, endings in _ENDINGS.items()
        if name in formats
        for ending in endings.split()
    )


def endings_not_read(formats: Sequence[str]) -> dict[str, str]:
    """Endings of those that cannot be, each with what mends it."""
    return {
        ending: _REMEDIES.get(name, "install a Pillow that reads it")
        for name, endings in _ENDINGS.items()
        if name not in formats
        for ending in endings.split()
    }


EXTENSIONS = endings_read(FORMATS)
_NOT_READ_HERE = endings_not_read(FORMATS)
# Pictures, and what holds pictures, that nobody reads here.
_OTHER_PICTURES = (
    *(".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"),  # of cameras
    *(".czi", ".dcm", ".fits", ".lif", ".nd2", ".npy", ".npz", ".svs"),  # of instruments
    *(".eps", ".exr", ".hdr", ".ico", ".jxl", ".jxr", ".pcx", ".pdf", ".pfm", ".psd", ".svg"),
    *(".tga", ".xcf", ".mov", ".mp4", ".tar", ".zip"),
)
# What systems and network disks put beside images, in lower case.
_NOT_OF_THE_SET = frozenset(
    {
        "@eadir",  # Synology: thumbnails
        "__macosx",  # macOS: what only it understands, in archives
        "lost+found",
        "$recycle.bin",
        "#recycle",
        "@recycle",
        "#snapshot",
        "@recently-snapshot",
        "system volume information",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "picasa.ini",
    }
)
_MOST_KINDS = 8


def check_extensions(extensions: str | Sequence[str]) -> tuple[str, ...]:
    """The endings in lower case, each once, in order.

    Raises:
        HCSCError: one does not begin with a dot, or is of a format that is not read here.
    """
    given = [extensions] if isinstance(extensions, str) else list(extensions or ())
    wrong = [one for one in given if not isinstance(one, str) or not one.startswith(".")]
    if wrong or not given:
        raise HCSCError(
            f"extensions={extensions!r} must be endings of file names with their dot, such as "
            "('.jpg', '.png')"
        )
    endings = tuple(dict.fromkeys(one.lower() for one in given))
    for ending in endings:
        if ending in _NOT_READ_HERE:
            raise HCSCError(
                f"extensions names {ending}, which is not read here; {_NOT_READ_HERE[ending]}"
            )
    return endings


def not_of_the_set(name: str) -> str | None:
    """How to call a file or folder that is no part of any data set; None for others."""
    if name.startswith("."):
        return "hidden names"
    return one_line_path(name) if name.lower() in _NOT_OF_THE_SET else None


def ending_of(name: str) -> str:
    """In lower case, with its dot; '' if there is none."""
    return os.path.splitext(name)[1].lower()


def same_text(text: str) -> str:
    """The text in Unicode's composed form (NFC): macOS stores names decomposed, and both look the
    same.
    """
    return unicodedata.normalize("NFC", text)


def describe_not_read(paths: Sequence[str]) -> str | None:
    """How many paths have endings of formats that are not read here; None if none has."""
    counts = Counter(ending for path in paths if (ending := ending_of(path)) in _NOT_READ_HERE)
    return _counted(map(_kind, counts), counts) if counts else None


def describe_left_out(unlisted: Counter[str], left_out: Counter[str]) -> tuple[str, bool]:
    """What a listing did not take, for the log, and whether there are pictures in it.

    Args:
        unlisted: Ending → files.
        left_out: Name of :func:`not_of_the_set` → files and folders.
    """
    parts = []
    if unlisted:
        parts.append(f"files of other kinds: {_counted(map(_kind, unlisted), unlisted)}")
    if left_out:
        parts.append(f"left out: {_counted(left_out, left_out)}")
    return "; ".join(parts), any(
        ending in _NOT_READ_HERE or ending in _OTHER_PICTURES or ending in EXTENSIONS
        for ending in unlisted
    )


def _kind(ending: str) -> str:
    """The ending, and what would let it be read."""
    remedy = _NOT_READ_HERE.get(ending)
    return f"{ending} ({remedy})" if remedy else one_line_path(ending) or "without an ending"


def _counted(names: Iterable[str], counts: Counter[str]) -> str:
    ordered = sorted(zip(counts.values(), names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    rest = sum(number for number, _ in ordered[_MOST_KINDS:])
    return ", ".join(
        [f"{number:,} {name}" for number, name in ordered[:_MOST_KINDS]]
        + ([f"{rest:,} others"] if rest else [])
    )
