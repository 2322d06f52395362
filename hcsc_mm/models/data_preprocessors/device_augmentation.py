"""The views of a batch, made on the model's device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
from mmpretrain.models import SelfSupDataPreprocessor
from torch import Tensor

from ...errors import HCSCError
from ...registry import MODELS
from .resampling import crop_and_resize, crop_and_resize_batch
from .view_operations import apply_operations, upload
from .view_parameters import ViewParameters, ViewRecipe, draw_parameters


@MODELS.register_module()
class DeviceAugmentation(SelfSupDataPreprocessor):
    """Whole images in, normalised random views out; for a loader with ``hcsc_mm.WholeImage`` and
    ``hcsc_mm.pad_collate``.

    Parameters are drawn on the host from PyTorch's generator; on a GPU no kernel is launched per
    image, and nothing waits for the device. A batch that is one tensor, such as the centre crops
    for the clustering, is only normalised.

    Args:
        views: Configs of :class:`ViewRecipe`, in the order in which HCSC takes them: query, key,
            local crops.
        **kwargs: mean, std, to_rgb and non_blocking of mmpretrain's ``SelfSupDataPreprocessor``.
    """

    def __init__(self, views: Sequence[dict | ViewRecipe], **kwargs) -> None:
        super().__init__(**kwargs)
        self.views = [ViewRecipe.from_config(view) for view in views]
        if not self.views:
            raise HCSCError(
                "DeviceAugmentation has no views; give views=[dict(size=224), dict(size=224)] for "
                "MoCo v2's two crops"
            )

    def forward(self, data: dict, training: bool = False) -> dict:
        """A loader's batch → what the model takes.

        Args:
            data: ``inputs`` from ``pad_collate``, or crops as one (B, 3, H, W) tensor;
                ``data_samples`` goes through as it is.
            training: Required by mmengine; makes no difference here.

        Returns:
            ``inputs``: a list with a (B, 3, S_v, S_v) float tensor per view, or the normalised
            crops.

        Raises:
            HCSCError: the inputs are neither.
        """
        inputs = data["inputs"]
        if isinstance(inputs, Tensor):
            return super().forward(data, training)
        if not isinstance(inputs, Mapping) or set(inputs) != {"images", "sizes"}:
            raise HCSCError(
                f"DeviceAugmentation got a {type(inputs).__name__} of inputs, not whole images; "
                "set train_dataloader.collate_fn.type=hcsc_mm.pad_collate, and hcsc_mm.WholeImage "
                "in place of MultiView in the pipeline"
            )
        images, sizes = inputs["images"], inputs["sizes"]
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise HCSCError(
                f"DeviceAugmentation takes uint8 images (B, 3, H, W), not {images.dtype} "
                f"{tuple(images.shape)}"
            )
        parameters = [draw_parameters(recipe, sizes) for recipe in self.views]
        return {
            "inputs": self.make_views(self.cast_data(images), parameters),
            "data_samples": data.get("data_samples"),
        }

    @torch.no_grad()
    def make_views(self, images: Tensor, parameters: Sequence[ViewParameters]) -> list[Tensor]:
        """Each view of each image, with given parameters.

        Args:
            images: (B, 3, H, W) uint8 on the model's device, BGR if the preprocessor converts to
                RGB.
            parameters: Random parameters of each view, on the host.

        Returns:
            (B, 3, S_v, S_v) float for each view, RGB, normalised.
        """
        make = self._make_one_by_one if images.device.type == "cpu" else self._make_batch
        if images.device.type != "cpu":
            # Half precision holds 0 … 255 exactly and errs by less than a quarter of such a level
            # in the sums; Pillow rounds to whole ones.
            images = images.half()
        with _without_autocast(
            images.device
        ):  # mmengine preprocesses under it, and bfloat16 is too coarse for pixels
            return [
                make(images, drawn, recipe)
                for drawn, recipe in zip(parameters, self.views, strict=True)
            ]

    def _make_one_by_one(
        self, images: Tensor, parameters: ViewParameters, recipe: ViewRecipe
    ) -> Tensor:
        """On a CPU, where an image that stays in the cache for all operations is done sooner."""
        views = images.new_empty((len(images), 3, recipe.size, recipe.size), dtype=torch.float32)
        for row in range(len(images)):
            one = slice(row, row + 1)
            crop = crop_and_resize(
                images[one], parameters.boxes[one], parameters.flip[one], recipe.size
            )
            self._finish(crop, parameters[one], recipe, out=views[one])
        return views

    def _make_batch(self, images: Tensor, parameters: ViewParameters, recipe: ViewRecipe) -> Tensor:
        place = upload(
            torch.cat([parameters.boxes, parameters.flip[:, None]], dim=1).float(), images.device
        )  # (B, 5)
        crops = crop_and_resize_batch(images, place[:, :4], place[:, 4], recipe.size)
        return self._finish(crops, parameters, recipe)

    def _finish(
        self,
        crops: Tensor,
        parameters: ViewParameters,
        recipe: ViewRecipe,
        out: Tensor | None = None,
    ) -> Tensor:
        """(B, 3, S, S) in [0, 255] → colours, blur, normalisation."""
        if self._channel_conversion:
            crops = crops.flip(1)  # BGR → RGB
        views = apply_operations(crops.float().div_(255), parameters, recipe.blur_sigma[1])
        if not self._enable_normalize:
            return torch.mul(views, 255, out=out)
        return torch.div(views.sub_(self.mean / 255), self.std / 255, out=out)


def _without_autocast(device: torch.device):
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()
