"""Networks of timm: what they give, and what of them is trained."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from mmpretrain.models.backbones import TIMMBackbone as MMPretrainTIMMBackbone
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import HCSCError
from ...registry import MODELS
from ..utils.parts import in_parts

_WITH_POSITIONS = ("vision_transformer", "deit")  # timm's files of plain vision transformers
_POOLINGS = {"token": "token", "mean": "avg"}  # ours → timm's
_BEHIND_MAPS = ("head", "fc_norm", "attn_pool")  # timm's names of what a pooled vector alone passes


@MODELS.register_module()
class TIMMBackbone(MMPretrainTIMMBackbone):
    """``mmpretrain.TIMMBackbone``: any network of timm, for training, or training on.

    Stages are timm's coarse groups of parameters, in the order in which an image meets them; of an
    EfficientNet these are the stem and the seven stages of blocks, the last one with the head.

    Args:
        model_name: The network's name in timm, such as 'tf_efficientnet_lite0'.
        frozen_stages: So many first stages are not trained, and their batch norms stay in eval
            mode. 0 (the default) trains all. -1 trains none, and the whole network stays in eval
            mode.
        norm_eval: Keep all batch norms in eval mode, with the statistics of the trained weights:
            no batch then tells its images by them. Off by default.
        pooling: What stands for an image: 'token' gives the class token, 'mean' the mean of the
            patches without it (of a convolutional network: of the positions), both (B, C) as
            timm's own network gives them. None (the default): 'token' where there is a class
            token, 'mean' where there are registers alone, otherwise the output as it is, a feature
            map or patches, whose positions are averaged by all that needs a vector.
        frozen_patch_embed: A transformer's projection of patches keeps its random weights, without
            which its training is unstable at large batches (MoCo v3: Chen et al., ICCV 2021,
            Section 4.2). Off by default.
        with_cp: Compute activations again in the backward pass instead of keeping them: less
            memory, a longer step. Off by default.
        out_indices: Give the maps behind these layers in the place of one output, for detection
            and segmentation: a transformer's blocks, or a network's stages, from 0. A
            transformer's maps all have its stride and pass its last norm; the class token is left
            out. The weights keep their names, those behind the maps are not trained. With
            ``features_only``, whose weights have other names, it is timm's.
        **kwargs: Further arguments of ``mmpretrain.TIMMBackbone``, and through it of timm's
            network, such as ``drop_path_rate`` and ``img_size``. Plain vision transformers have
            ``dynamic_img_size=True`` unless it is said otherwise: for images of other sizes, such
            as local crops, their position embeddings are interpolated.

    Raises:
        HCSCError: timm has no such network, or it has fewer stages or layers, no class token, no
            projection of patches, gives no maps, or cannot compute activations again; or both
            ``pooling`` and ``out_indices`` are given.
    """

    def __init__(
        self,
        model_name: str,
        frozen_stages: int = 0,
        norm_eval: bool = False,
        pooling: str | None = None,
        frozen_patch_embed: bool = False,
        with_cp: bool = False,
        out_indices: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        timm = _timm_with(model_name)
        if out_indices is not None and kwargs.get("features_only"):
            kwargs["out_indices"], out_indices = tuple(out_indices), None
        if timm.models.is_model_in_modules(model_name, _WITH_POSITIONS):
            kwargs.setdefault("dynamic_img_size", True)
        super().__init__(model_name=model_name, **kwargs)
        self.out_indices = None if out_indices is None else list(out_indices)
        if self.out_indices is None:
            self._set_pooling(model_name, pooling)
        else:
            self._check_maps(model_name, pooling)
        self._stages = stages = parameter_stages(self.timm_model)
        number = max(stages.values()) + 1
        if not -1 <= frozen_stages <= number:
            raise HCSCError(
                f"frozen_stages={frozen_stages} of {model_name} must be -1 (all) to {number}"
            )
        self.norm_eval = norm_eval
        self.frozen_stages = number if frozen_stages == -1 else frozen_stages
        for name, weight in self.timm_model.named_parameters():
            weight.requires_grad_(stages[name] >= self.frozen_stages)
        # By name: no weight of a key encoder needs a gradient, and its batch norms do count.
        self._frozen_norms = frozenset(
            name for name, layer in self._batch_norms() if _is_frozen(layer)
        )
        if self.out_indices is not None:  # several processes would wait for their gradients
            for name, part in self.timm_model.named_children():
                if name in _BEHIND_MAPS:
                    part.requires_grad_(False)
        if frozen_patch_embed:
            self._freeze_patch_embed(model_name)
        if with_cp:
            self._compute_again(model_name)
        self.train()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) → the last output, see ``pooling``; with ``features_only`` one map a stage,
        with ``out_indices`` one for each of them.

        Maps are (B, C, h, w), also of networks that keep channels last, such as Swin.
        """
        if images.device.type == "cpu" and self._is_fixed():
            return in_parts(self._forward, images)
        return self._forward(images)

    def _is_fixed(self) -> bool:
        """Whether this pass sees each image by itself, and keeps nothing for a backward pass."""
        trained = torch.is_grad_enabled() and any(
            weight.requires_grad for weight in self.timm_model.parameters()
        )
        return not trained and not any(part.training for part in self.timm_model.modules())

    def _forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if self.out_indices is not None:
            maps = self.timm_model.forward_intermediates(
                images, indices=self.out_indices, norm=True, intermediates_only=True
            )
            return tuple(maps)
        features = super().forward(images)
        if getattr(self.timm_model, "output_fmt", "NCHW") == "NHWC":
            return tuple(one.permute(0, 3, 1, 2) if one.ndim == 4 else one for one in features)
        return features

    def train(self, mode: bool = True) -> TIMMBackbone:
        """As in PyTorch; batch norms that are to stay in eval mode do."""
        nn.Module.train(self, mode)
        if self.frozen_stages > max(self._stages.values()):  # nothing is trained
            self.timm_model.eval()
        for name, layer in self._batch_norms():
            if self.norm_eval or name in self._frozen_norms:
                layer.eval()
        return self

    def get_layer_depth(self, param_name: str, prefix: str = "") -> tuple[int, int]:
        """Where a parameter stands, for rates that shrink towards the image, as mmpretrain asks.

        Args:
            param_name: Its name; one that does not begin with ``prefix`` stands behind the stages.
            prefix: What precedes this backbone's own names, such as 'backbone.'.

        Returns:
            Its stage, from 0, or the number of stages; and the number of stages + 1.
        """
        behind = max(self._stages.values()) + 1
        name = param_name.removeprefix(f"{prefix}timm_model.")
        stage = self._stages[name] if name != param_name else behind
        return stage, behind + 1

    def _batch_norms(self) -> list[tuple[str, _BatchNorm]]:
        modules = self.timm_model.named_modules()
        return [(name, layer) for name, layer in modules if isinstance(layer, _BatchNorm)]

    def _set_pooling(self, model_name: str, pooling: str | None) -> None:
        network = self.timm_model
        has_token = getattr(network, "cls_token", None) is not None
        if pooling is None and has_token:
            pooling = "token"
        elif pooling is None and getattr(network, "num_prefix_tokens", 0):
            pooling = "mean"  # registers are no patches
        if pooling is None:
            return
        if pooling not in _POOLINGS:
            raise HCSCError(f"pooling={pooling!r} must be 'token', 'mean' or None")
        if pooling == "token" and not has_token:
            raise HCSCError(f"{model_name} has no class token; set pooling='mean'")
        if not hasattr(network, "reset_classifier"):  # features_only
            raise HCSCError(f"timm cannot pool {model_name}'s output; leave out pooling")
        network.reset_classifier(0, _POOLINGS[pooling])

    def _check_maps(self, model_name: str, pooling: str | None) -> None:
        if pooling is not None:
            raise HCSCError(f"pooling={pooling!r} is for one vector; leave it or out_indices out")
        if not hasattr(self.timm_model, "forward_intermediates"):
            raise HCSCError(f"timm gives no maps of {model_name}'s layers; leave out out_indices")
        number = len(self.timm_model.feature_info)
        if self.out_indices != sorted({*self.out_indices} & {*range(number)}):
            raise HCSCError(
                f"out_indices={self.out_indices} of {model_name} must be growing numbers of layers "
                f"from 0 to {number - 1}"
            )

    def _freeze_patch_embed(self, model_name: str) -> None:
        projection = getattr(getattr(self.timm_model, "patch_embed", None), "proj", None)
        if not isinstance(projection, nn.Module):
            raise HCSCError(
                f"{model_name} has no projection of patches; leave out frozen_patch_embed"
            )
        projection.requires_grad_(False)

    def _compute_again(self, model_name: str) -> None:
        try:
            self.timm_model.set_grad_checkpointing()
        except (AttributeError, AssertionError):
            raise HCSCError(
                f"timm's {model_name} cannot compute activations again; leave out with_cp"
            ) from None


def build_network(model_name: str) -> nn.Module:
    """timm's network with random weights and no classifier.

    Raises:
        HCSCError: timm has no such network.
    """
    timm = _timm_with(model_name)
    return timm.create_model(model_name, num_classes=0)


def parameter_stages(network: nn.Module) -> dict[str, int]:
    """Name of a parameter of timm's network → number of its stage, from 0; one stage where timm
    names none.
    """
    if not hasattr(network, "group_matcher"):  # features_only
        return dict.fromkeys((name for name, _ in network.named_parameters()), 0)
    groups = _timm().models.group_parameters(network, network.group_matcher(coarse=True))
    return {name: stage for stage, names in enumerate(groups.values()) for name in names}


def mean_and_std(model_name: str) -> tuple[list[float], list[float]]:
    """What a network of timm wants its images (RGB, 0 … 255) normalised with.

    Raises:
        HCSCError: timm has no such network.
    """
    timm = _timm_with(model_name)
    config = timm.get_pretrained_cfg(model_name)
    return ([255 * value for value in config.mean], [255 * value for value in config.std])


def native_size(model_name: str) -> int:
    """Pixels of the images that a network of timm was trained on.

    Raises:
        HCSCError: timm has no such network.
    """
    return _timm_with(model_name).get_pretrained_cfg(model_name).input_size[-1]


def out_channels(model_name: str) -> int:
    """Channels of the features that a network of timm gives.

    Raises:
        HCSCError: timm has no such network.
    """
    network = build_network(model_name)
    return getattr(network, "head_hidden_size", None) or network.num_features


def _is_frozen(layer: nn.Module) -> bool:
    weights = list(layer.parameters())
    return bool(weights) and not any(weight.requires_grad for weight in weights)


def _timm() -> ModuleType:
    try:
        import timm
    except ImportError:
        raise HCSCError("timm is not installed; pip install timm") from None
    return timm


def _timm_with(model_name: str) -> ModuleType:
    """The library, if it is installed and has such a network."""
    timm = _timm()
    if not timm.is_model(model_name):
        raise HCSCError(
            f'timm has no network {model_name}; python -c "import timm; '
            'print(timm.list_models())" names all'
        )
    return timm
