"""What tells one network of a family from another, and what is built of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from mmpretrain.registry import MODELS
from torch import Tensor, nn


class Shape(ABC):
    """The sizes of a backbone, as its weights tell them.

    Names of weights are those of :mod:`layouts`, unless it is said that they are OpenMMLab's.

    Attributes:
        out_channels: Channels of the features.
        timm_name: Of a network in timm, which :meth:`timm_options` makes this one.
    """

    @property
    @abstractmethod
    def out_channels(self) -> int: ...

    @property
    @abstractmethod
    def timm_name(self) -> str: ...

    @abstractmethod
    def config(self) -> dict:
        """The backbone in an OpenMMLab config, without the library's name."""

    @property
    def targets(self) -> frozenset[str]:
        """Layouts that can hold it."""
        return frozenset({"hcsc_mm", "mmpretrain", "timm"})

    @property
    def pooled(self) -> dict:
        """Options of the config that let it give what its users take for an image; none by
        default.
        """
        return {}

    @property
    def whole(self) -> dict:
        """Options of the config that let it give all that it computes; none by default."""
        return {}

    def timm_options(self) -> dict:
        """Of timm's network beside its name; none by default."""
        return {}

    def timm_features(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """timm's network → what computes all that it does, for images."""
        return network.forward_features

    def openmmlab_name(self, name: str) -> str:
        """A weight's name → that in a backbone of OpenMMLab; by default the same."""
        return name

    def build(self, **changes: Any) -> nn.Module:
        """mmpretrain's network of this shape, in eval mode, which gives all that it computes.

        Args:
            **changes: Entries of the config that are to be others.
        """
        cfg = self.config()
        backbone = MODELS.build(
            {**cfg, "type": f"mmpretrain.{cfg['type']}", **self.whole, **changes}
        )
        backbone.eval()  # mmpretrain's returns None
        return backbone

    def template(self) -> dict[str, Tensor]:
        """Name → tensor of the network's shapes."""
        return self.build().state_dict()

    def loaded(self, backbone: Mapping[str, Tensor], **changes: Any) -> nn.Module:
        """mmpretrain's network, changed as :meth:`build` says, with these weights."""
        network = self.build(**changes)
        network.load_state_dict(
            {self.openmmlab_name(name): value for name, value in backbone.items()}
        )
        return network

    def fit(self, images: Tensor) -> Tensor:
        """Images of a size that it takes, and of as many channels; by default as they are."""
        return images
