#!/usr/bin/env python
"""Which wheels a machine needs that has PyTorch already: for ``tools/gpu_day.sh``, with nothing but
the standard library.

    wheels_beside_torch.py pack REPORT     of ``pip install --report``: name==version a line
    wheels_beside_torch.py install LIST    of these lines, those that go on this machine
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

_TORCH = {"torch", "torchvision"}
_COMES_WITH_TORCH = re.compile(r"triton|nvidia-.*|cuda-.*")


def to_pack(report: dict) -> Iterator[str]:
    """All but PyTorch and what it alone brings. CUDA's libraries stay where something else asks for
    them: faiss-gpu is built for another CUDA than PyTorch may be.
    """
    items = {_normal(item["metadata"]["name"]): item["metadata"] for item in report["install"]}
    wanted = {
        name for name in items if name not in _TORCH and not _COMES_WITH_TORCH.fullmatch(name)
    }
    grown = True
    while grown:
        asked = {name for one in wanted for name in _requirements(items[one])}
        asked = (asked & items.keys()) - _TORCH - wanted
        wanted |= asked
        grown = bool(asked)
    return (f"{one['name']}=={one['version']}" for name, one in items.items() if name in wanted)


def to_install(lines: list[str]) -> list[str]:
    """Without the libraries of CUDA that are there in some version: PyTorch may stand on that."""
    there = {_normal(one.metadata["Name"]) for one in distributions()}
    names = [_normal(line.partition("==")[0]) for line in lines]
    return [
        line
        for line, name in zip(lines, names, strict=True)
        if not (_COMES_WITH_TORCH.fullmatch(name) and name in there)
    ]


def _requirements(metadata: dict) -> set[str]:
    """Names, of extras and other systems, too: what pip left out is not in its report."""
    lines = metadata.get("requires_dist") or []
    return {_normal(re.match(r"[\w.-]+", line)[0]) for line in lines}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print the lines."""
    task, file = sys.argv[1:]
    text = Path(file).read_text()
    lines = to_pack(json.loads(text)) if task == "pack" else to_install(text.split())
    print("\n".join(lines))


if __name__ == "__main__":
    main()
