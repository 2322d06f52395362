"""What is imported is declared, and a package that is missing or does not fit is one line with the
command that mends it.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tiny import ROOT

from hcsc_mm import dependencies


@pytest.mark.parametrize("tool", ["train.py", "quick_start.py"])
def test_missing_mmcv_is_one_line_that_names_the_fix(tool):
    hide = (
        "import runpy, sys; sys.modules['mmcv'] = None; "
        f"runpy.run_path({str(ROOT / 'tools' / tool)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "error: not installed: onedl-mmcv; run: pip install onedl-mmcv"


def test_torch_that_is_too_old_is_refused_with_the_fix(monkeypatch):
    monkeypatch.setattr(dependencies, "version", lambda name: "1.13.1+cu117")
    with pytest.raises(
        dependencies.DependencyError,
        match=r"torch 1\.13\.1\+cu117 is too old.*pip install torch==2\.13\.0",
    ):
        dependencies.check_dependencies()


def test_mmcv_that_mmpretrain_refuses_is_one_line(monkeypatch):
    def refuse(name):
        if name == "mmpretrain":
            raise AssertionError("MMCV==9.0.0 is used but incompatible.\nPlease install another.")

    monkeypatch.setattr(dependencies.importlib, "import_module", refuse)
    with pytest.raises(
        dependencies.DependencyError,
        match=r"mmpretrain cannot be imported \(MMCV==9\.0\.0 .*requirements\.txt",
    ) as error:
        dependencies.check_dependencies()
    assert "\n" not in str(error.value)


SOURCES = [*(ROOT / "hcsc_mm").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
LAZY = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@cache
def declared() -> set[str]:
    lines = (ROOT / "requirements/base.txt").read_text().splitlines()
    texts = [line.partition("#")[0].strip() for line in lines]
    return {canonicalize_name(Requirement(text).name) for text in texts if text}


def imports(tree: ast.AST, lazy: bool = False, tried: bool = False) -> Iterator[tuple]:
    """Top-level name, whether only a function's call imports it, whether its absence is caught."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], lazy, tried) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0], lazy, tried
        yield from imports(node, lazy or isinstance(node, LAZY), tried or catches(node))


def catches(node: ast.AST) -> bool:
    """Whether it goes on where an import within it fails."""
    if isinstance(node, ast.Try):
        return any("ImportError" in ast.dump(handler.type or node) for handler in node.handlers)
    if isinstance(node, ast.With):
        managers = [ast.unparse(item.context_expr) for item in node.items]
        return any("suppress" in text and "ImportError" in text for text in managers)
    return False


def third_party(path: Path) -> Iterator[tuple]:
    own = {"hcsc_mm", "__future__", *sys.stdlib_module_names}
    for name, lazy, tried in imports(ast.parse(path.read_text())):
        if name not in own:
            yield name, lazy, tried


@cache
def is_declared(name: str) -> bool:
    distributions = _distributions().get(name, [name])
    return any(canonicalize_name(distribution) in declared() for distribution in distributions)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_is_declared_or_optional_and_guarded(path):
    room = path.parent / "__init__.py"
    for name, lazy, tried in third_party(path):
        if is_declared(name):
            continue
        if room.is_file() and f'check_library("{name}")' in room.read_text():
            continue  # all of the room needs it, and says so; nobody else imports the room
        assert lazy or tried, f"{name} is imported at once and not in requirements/base.txt"
        said = tried or "find_spec" in path.read_text()
        assert said, f"{name} is optional, and nothing is said where it is missing"


def test_the_walk_tells_declared_optional_and_guarded_imports_apart(tmp_path):
    (tmp_path / "a.py").write_text(
        "import cv2\nfrom sklearn.svm import SVC\nimport os\nfrom . import here\n"
        "def late():\n    import timm\n    try:\n        import faiss.contrib\n"
        "    except (OSError, ImportError):\n        raise\n"
    )
    found = {name: (lazy, tried) for name, lazy, tried in third_party(tmp_path / "a.py")}
    assert found == {
        "cv2": (False, False),
        "sklearn": (False, False),
        "timm": (True, False),
        "faiss": (True, True),
    }


def test_tested_versions_lie_within_the_declared_ranges():
    ranges = {}
    for line in (ROOT / "requirements/base.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            ranges[requirement.name] = requirement.specifier
    pins = [
        Requirement(line)
        for line in (ROOT / "requirements/tested.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert {pin.name for pin in pins} == {"torch", "torchvision"}
    for pin in pins:
        (version,) = (one.version for one in pin.specifier)
        assert version in ranges[pin.name]
