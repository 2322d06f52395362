"""The libraries that try a pre-trained backbone on other tasks; pre-training needs none of them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import NamedTuple

from mmengine.config import utils as config_utils

from ..errors import HCSCError
from ..utils.text import first_line


class _Library(NamedTuple):
    pip_name: str
    needs_operators: bool  # of mmcv


# Scope of its configs, which is also its import name → the library. Versions are those of
# requirements/transfer.txt.
LIBRARIES = {
    "mmdet": _Library("onedl-mmdetection==3.5.1", needs_operators=True),
    "mmseg": _Library("onedl-mmsegmentation==1.4.2", needs_operators=False),
}
OPERATORS = "onedl-mmcv==2.3.6"


def let_configs_inherit_from_libraries() -> None:
    """Let ``_base_ = 'mmseg::…'`` find the OneDL build: mmengine looks for a package of the name
    mmsegmentation, which that is not.
    """
    config_utils.MODULE2PACKAGE["mmseg"] = "mmseg"


def check_library(scope: str | None) -> None:
    """Refuse a config whose library is not usable here; a scope that is no downstream library's
    passes.

    Raises:
        HCSCError: one line with the command that installs what is missing.
    """
    library = LIBRARIES.get(scope or "")
    if library is None:
        return
    if importlib.util.find_spec(scope) is None:
        raise HCSCError(f"{scope} is not installed; run: pip install {library.pip_name}")
    if library.needs_operators and importlib.util.find_spec("mmcv._ext") is None:
        raise HCSCError(
            f"{scope} needs mmcv's compiled operators, and the mmcv here has none; run: pip "
            "install setuptools ninja wheel && pip install "
            f"--force-reinstall --no-deps --no-cache-dir --no-build-isolation {OPERATORS} "
            "(docs/transfer.md says how long that takes)"
        )
    try:
        importlib.import_module(scope)
    except (
        ImportError,
        AssertionError,
    ) as error:  # the libraries assert on the versions of mmcv and mmengine
        raise HCSCError(
            f"{scope} cannot be imported ({first_line(error)}); run: pip install {library.pip_name}"
        ) from error
