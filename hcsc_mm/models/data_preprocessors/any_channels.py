"""mmpretrain's normalisation of views, for any number of channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models import SelfSupDataPreprocessor
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS

_THEIRS = ("SelfSupDataPreprocessor", "mmpretrain.SelfSupDataPreprocessor")


@MODELS.register_module()
class AnyChannelsPreprocessor(SelfSupDataPreprocessor):
    """``SelfSupDataPreprocessor`` whose mean and deviation may have any number of entries.

    Images of three channels are turned from BGR to RGB where ``to_rgb`` says so; those of any other
    number keep their order, as in mmpretrain's ``ClsDataPreprocessor``, which benchmarks use.

    Args:
        mean: One value per channel, or one for all, in units of the pixels; None: no normalisation.
        std: Divides what is left, in the same form as ``mean``.
        to_rgb: Images of three channels are BGR, and the model takes RGB.
        **kwargs: Further arguments of mmpretrain's ``SelfSupDataPreprocessor``.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        to_rgb: bool = False,
        **kwargs,
    ) -> None:
        lengths = [None if value is None else len(value) for value in (mean, std)]
        if lengths[0] != lengths[1] or 0 in lengths:
            raise HCSCError(
                f"mean={mean} and std={std} of model.data_preprocessor must have an entry for each "
                "channel, or both one for all"
            )
        if not all(math.isfinite(value) for value in mean or ()) or not all(
            math.isfinite(value) and value > 0 for value in std or ()
        ):
            raise HCSCError(
                f"mean={mean} and std={std} of model.data_preprocessor must be finite, and std "
                "above 0"
            )
        super().__init__(to_rgb=to_rgb, **kwargs)
        if mean is not None:
            self._enable_normalize = True
            for name, value in (("mean", mean), ("std", std)):
                buffer = torch.tensor(value, dtype=torch.float32).view(-1, 1, 1)
                self.register_buffer(name, buffer, persistent=False)

    @property
    def channels(self) -> int | None:
        """Of the images that it takes; None for any number."""
        number = len(self.mean) if self._enable_normalize else 1
        return None if number == 1 else number

    def forward(self, data: dict, training: bool = False) -> dict:
        """As in ``SelfSupDataPreprocessor``.

        Raises:
            HCSCError: images have another number of channels than the mean.
        """
        inputs = data["inputs"]
        views = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        channels = {view.shape[-3] for view in views if isinstance(view, Tensor)}
        wrong = next((number for number in channels if self.channels not in (None, number)), None)
        if wrong is not None:
            raise _mean_of_others(wrong, self.channels)
        conversion = self._channel_conversion
        self._channel_conversion = conversion and channels == {3}
        try:
            return super().forward(data, training)
        finally:
            self._channel_conversion = conversion


def for_any_channels(config: dict | nn.Module | None) -> dict | nn.Module | None:
    """The config of :class:`AnyChannelsPreprocessor` in the place of mmpretrain's, which does the
    same for one or three channels and refuses others; anything else as it is.
    """
    if config is None or (isinstance(config, Mapping) and config.get("type") in (None, *_THEIRS)):
        return {**(config or {}), "type": "hcsc_mm.AnyChannelsPreprocessor"}
    return config


def check_channels(model: nn.Module, channels: int | None) -> None:
    """Refuse images that the model's normalisation or its first convolution cannot take.

    Args:
        model: With ``backbone`` and ``data_preprocessor``.
        channels: How many channels the images have; None where that is not known.

    Raises:
        HCSCError: with what to set.
    """
    mean = getattr(model.data_preprocessor, "mean", None)
    first = next((m for m in model.backbone.modules() if isinstance(m, nn.Conv2d)), None)
    if channels is None:
        return
    if mean is not None and len(mean) not in (1, channels):
        raise _mean_of_others(channels, len(mean))
    if first is not None and first.in_channels != channels:
        raise HCSCError(
            f"the images have {channels} channel{'s' if channels > 1 else ''}, and the backbone "
            f"takes {first.in_channels}; set model.backbone.in_channels={channels}, or load the "
            "images with color_type='color'"
        )


def _mean_of_others(channels: int, entries: int) -> HCSCError:
    return HCSCError(
        f"the images have {channels} channel{'s' if channels > 1 else ''}, and "
        f"model.data_preprocessor a mean of {entries}; give mean and std an entry for each "
        "channel, or load the images with color_type='color'"
    )
