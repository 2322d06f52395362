"""Where this package's configs and tools lie, and what they are called: beside it in a clone, and
under ``.mim`` in an installation, where OpenMMLab's libraries have theirs.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from .utils.text import shown_path

_SCOPE = "hcsc_mm::"


def configs_folder() -> Path:
    """The folder of all configs."""
    package = Path(__file__).resolve().parent
    inside = package / ".mim" / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def config_file(path: str) -> str:
    """The file that a config's path stands for: ``hcsc_mm::benchmarks/knn_digits.py`` is one of
    this package's own, any other path stands for itself. Whether it exists is not looked at.
    """
    if not path.startswith(_SCOPE):
        return path
    return str(configs_folder() / path.removeprefix(_SCOPE))


def config_name(file: str) -> str:
    """What a user calls a config file: ``hcsc_mm::NAME`` where it is one of an installation's, a
    path relative to the current folder where it lies below it, else the path.
    """
    if (inside := configs_folder()).parent.name == ".mim" and inside in Path(file).parents:
        return _SCOPE + Path(file).relative_to(inside).as_posix()
    return shown_path(file)


def tool_command(name: str) -> str:
    """What runs a tool: ``python tools/run_stages.py`` in a clone, ``hcsc run-stages`` in an
    installation.

    Args:
        name: File name of the tool, without its ending.
    """
    if configs_folder().parent.name == ".mim":
        return f"hcsc {name.replace('_', '-')}"
    return f"python tools/{name}.py"


def let_configs_inherit() -> None:
    """Let ``_base_ = 'hcsc_mm::hcsc_r18_digits.py'`` name a config of this package.

    mmengine knows the packages of a list of its own alone, wants a folder in the name, and looks
    under ``.mim``, which an editable installation does not have.
    """
    of_mmengine = Config._get_cfg_path

    def path_and_scope(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if not cfg_path.startswith(_SCOPE):
            return of_mmengine(cfg_path, filename)
        return config_file(cfg_path), None  # None: types as in a base beside the config

    Config._get_cfg_path = staticmethod(path_and_scope)
