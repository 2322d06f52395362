"""The wing of the machinery knows nothing of the methods, and hooks know no model by its class."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "hcsc_mm"
METHOD_ROOMS = ("models", "clustering", "structures")


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it: 'runtime.launch', 'utils'."""
    parts = ("hcsc_mm", *path.relative_to(PACKAGE).with_suffix("").parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = parts[: -node.level] if node.level else ()
            name = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("hcsc_mm.") for name in found if name.startswith("hcsc_mm.")}


def files_of(module: str) -> list[Path]:
    path = PACKAGE.joinpath(*module.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py"]
    return [candidate for candidate in candidates if candidate.is_file()]


def test_runtime_reaches_no_room_of_the_methods():
    waiting = sorted((PACKAGE / "runtime").rglob("*.py"))
    reached: dict[Path, Path | None] = dict.fromkeys(waiting)
    assert len(waiting) > 10
    while waiting:
        path = waiting.pop()
        for module in imported(path):
            room = module.split(".")[0]
            assert room not in METHOD_ROOMS, f"{path} imports {module}, for {reached[path]}"
            for target in files_of(module):
                if target not in reached:
                    reached[target] = path
                    waiting.append(target)


def test_the_walk_sees_imports_of_every_form():
    found = imported(PACKAGE / "engine" / "training_features.py")
    assert {"datasets", "structures.ClustersImages", "utils.ranks"} <= found


def test_no_hook_names_a_method_or_reaches_into_a_model():
    for path in [*(PACKAGE / "engine").rglob("*.py"), *(PACKAGE / "runtime").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                assert node.id not in ("HCSC", "PCL", "MomentumContrast", "find_hcsc"), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                reach = (node.value.id, node.attr)
                assert reach not in {
                    ("model", name) for name in ("queue", "momentum_encoder", "selection")
                }, path
