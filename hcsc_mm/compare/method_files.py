"""A method's config on another data set's, with the configs of the methods that it stands on."""

from __future__ import annotations

import ast
from pathlib import Path

from mmengine.config import Config

from ..errors import HCSCError
from ..runtime.configs import RAISED_BY_CONFIGS
from ..utils.text import first_line

_HCSC = ("HCSC", "hcsc_mm.HCSC")  # what the config trains in whose place the data's comes
_LINE = "_base_ = "


def method_files(config: str) -> list[Path]:
    """A method's config and those of the methods that it stands on, itself first.

    MoCHi's stands on MoCo v2's, which stands on an HCSC config: the first two.

    Args:
        config: Path of a method's config. The bases are followed down to the first HCSC config.

    Raises:
        HCSCError: one of them has another number of bases than one, or that cannot be read.
    """
    files = [Path(config)]
    while not _trains_hcsc(base := _base_of(files[-1]), files[-1]):
        files.append(base)
    return files


def write_method(config: str | None, data: Path, path: Path) -> None:
    """Write a method's config with the data's config in the place of the HCSC config below it.

    Args:
        config: Path of the method's config; None: the data's as it is.
        data: Path of the data's config.
        path: File to write. Those of the methods that it stands on come beside it, each named in
            the one above by its whole path.

    Raises:
        HCSCError: see :func:`method_files`.
    """
    below = data.resolve()
    if config is None:
        path.write_text(f"{_LINE}[{str(below)!r}]\n", encoding="utf-8")
        return
    for depth, file in reversed(list(enumerate(method_files(config)))):
        here = path.with_name(f"{path.stem}-below{depth}.py") if depth else path
        lines, place = _lines(file)
        lines[place] = f"{_LINE}[{str(below)!r}]"
        here.write_text("\n".join(lines) + "\n", encoding="utf-8")
        below = here.resolve()


def _lines(file: Path) -> tuple[list[str], int]:
    """The lines of a config, and the place of the one that names its base."""
    lines = file.read_text(encoding="utf-8").splitlines()
    places = [place for place, line in enumerate(lines) if line.startswith(_LINE)]
    if len(places) != 1:
        raise _not_on_one(file)
    return lines, places[0]


def _base_of(file: Path) -> Path:
    lines, place = _lines(file)
    try:
        names = ast.literal_eval(lines[place].removeprefix(_LINE))
    except (SyntaxError, ValueError):
        raise _not_on_one(file) from None
    names = [names] if isinstance(names, str) else names
    if len(names) != 1:
        raise _not_on_one(file)
    try:
        return Path(Config._get_cfg_path(names[0], str(file))[0])
    except RAISED_BY_CONFIGS as error:
        raise _unreadable(names[0], file, error) from error


def _trains_hcsc(base: Path, file: Path) -> bool:
    """Whether a config, on which ``file`` stands, is an HCSC config itself."""
    try:
        model = Config.fromfile(base).get("model")
    except RAISED_BY_CONFIGS as error:
        raise _unreadable(base, file, error) from error
    return bool(model) and model.get("type") in _HCSC


def _not_on_one(file: Path) -> HCSCError:
    return HCSCError(
        f"{file} must have one line '_base_ = [...]' that names one config: an HCSC config, in "
        "whose place the data's config comes, or a method that stands on one"
    )


def _unreadable(base: Path | str, file: Path, error: Exception) -> HCSCError:
    return HCSCError(
        f"{file} stands on {base}, which cannot be read: {type(error).__name__}: "
        f"{first_line(error)}"
    )
