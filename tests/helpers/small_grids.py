"""Grids whose cells take a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import DIGITS, ROOT, TINY

MOCO = str(ROOT / "configs" / "mocov2_r18_digits.py")
IMAGES = dict(type="hcsc_mm.Digits", indices=100)


def data_entry(**changes) -> dict[str, Any]:
    """A hundred digits for two epochs, in clusters from the second on; fifty are held out."""
    entry = dict(
        config=str(DIGITS),
        options={**TINY, "train_cfg.max_epochs": 2},
        train=dict(IMAGES, split="train"),
        test=dict(IMAGES, split="test", indices=50),
        num_clusters=(12, 6, 3),
        k=5,
    )
    return {**entry, **changes}


def write_grid(path: Path, **changes) -> Path:
    """A grid's file: MoCo v2 and HCSC on the digits, each from two seeds.

    Args:
        path: File to write.
        **changes: Other values of its names; None leaves a name out.
    """
    content = dict(
        data=dict(digits=data_entry()),
        methods=dict(mocov2=dict(config=MOCO), hcsc=dict()),
        seeds=(0, 1),
    )
    content.update(changes)
    lines = [f"{name} = {value!r}\n" for name, value in content.items() if value is not None]
    path.write_text("".join(lines))
    return path
