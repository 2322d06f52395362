"""torchvision's names of a ResNet's tensors and detectron2's, by the conversion that MoCo
publishes.
"""

from __future__ import annotations

import re

_TORCHVISION = re.compile(r"(?:layer([1-4])\.(\d+)\.)?(conv|bn|downsample\.)(\d)\.(\w+)")
_DETECTRON2 = re.compile(
    r"(?:stem|res(?P<res>[2-5])\.(?P<block>\d+))\.(?P<layer>conv[123]|shortcut)\.(?P<norm>norm\.)?(?P<tensor>\w+)"
)


def from_detectron2(name: str) -> str | None:
    """detectron2's name → torchvision's; None for what is none."""
    match = _DETECTRON2.fullmatch(name)
    if match is None:
        return None
    layer, norm, tensor = match["layer"], match["norm"], match["tensor"]
    if layer == "shortcut":
        inner = f"downsample.{1 if norm else 0}.{tensor}"
    else:
        inner = f"{layer.replace('conv', 'bn') if norm else layer}.{tensor}"
    stage = f"layer{int(match['res']) - 1}.{match['block']}." if match["res"] else ""
    return stage + inner


def to_detectron2(name: str) -> str:
    """torchvision's name → detectron2's; the inverse of :func:`from_detectron2`."""
    stage, block, kind, number, tensor = _TORCHVISION.fullmatch(name).groups()
    prefix = f"res{int(stage) + 1}.{block}" if stage else "stem"
    layer = {
        "conv": f"conv{number}",
        "bn": f"conv{number}.norm",
        "downsample.": "shortcut" if number == "0" else "shortcut.norm",
    }[kind]
    return f"{prefix}.{layer}.{tensor}"
