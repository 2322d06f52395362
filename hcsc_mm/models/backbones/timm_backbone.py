"""Networks of timm whose first stages may stay as they are."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mmpretrain.models.backbones import TIMMBackbone as MMPretrainTIMMBackbone
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...errors import HCSCError
from ...registry import MODELS


@MODELS.register_module()
class TIMMBackbone(MMPretrainTIMMBackbone):
    """``mmpretrain.TIMMBackbone`` for training on from trained weights.

    Stages are timm's coarse groups of parameters, in the order in which an image meets them; of an
    EfficientNet these are the stem and the seven stages of blocks, the last one with the head.

    Args:
        model_name: The network's name in timm, such as 'tf_efficientnet_lite0'.
        frozen_stages: So many first stages are not trained, and their batch norms stay in eval
            mode. 0 (the default) trains all, -1 none.
        norm_eval: Keep all batch norms in eval mode, with the statistics of the trained weights:
            no batch then tells its images by them. Off by default.
        **kwargs: Further arguments of ``mmpretrain.TIMMBackbone``.

    Raises:
        HCSCError: timm has no such network, or it has fewer stages.
    """

    def __init__(
        self, model_name: str, frozen_stages: int = 0, norm_eval: bool = False, **kwargs: Any
    ) -> None:
        _timm_with(model_name)
        super().__init__(model_name=model_name, **kwargs)
        stages = parameter_stages(self.timm_model)
        number = max(stages.values()) + 1
        if not -1 <= frozen_stages <= number:
            raise HCSCError(
                f"frozen_stages={frozen_stages} of {model_name} must be -1 (all) to {number}"
            )
        self.norm_eval = norm_eval
        self.frozen_stages = number if frozen_stages == -1 else frozen_stages
        for name, weight in self.timm_model.named_parameters():
            weight.requires_grad_(stages[name] >= self.frozen_stages)
        self.train()

    def train(self, mode: bool = True) -> TIMMBackbone:
        """As in PyTorch; batch norms that are to stay in eval mode do."""
        nn.Module.train(self, mode)
        for layer in self.modules():
            if isinstance(layer, _BatchNorm) and (self.norm_eval or _is_frozen(layer)):
                layer.eval()
        return self


def build_network(model_name: str) -> nn.Module:
    """timm's network with random weights and no classifier.

    Raises:
        HCSCError: timm has no such network.
    """
    timm = _timm_with(model_name)
    return timm.create_model(model_name, num_classes=0)


def parameter_stages(network: nn.Module) -> dict[str, int]:
    """Name of a parameter of timm's network → number of its stage, from 0."""
    groups = _timm().models.group_parameters(network, network.group_matcher(coarse=True))
    return {name: stage for stage, names in enumerate(groups.values()) for name in names}


def layer_decay(model_name: str, decay: float) -> dict[str, dict[str, float]]:
    """``paramwise_cfg.custom_keys`` for learning rates that shrink towards the image.

    Args:
        model_name: Name of a network of timm.
        decay: Factor from one stage to the one before it, in (0, 1]; the last stage has it once.

    Returns:
        Parameter → ``dict(lr_mult=...)``; for 1.0 nothing.

    Raises:
        HCSCError: timm has no such network, or the factor is out of range.
    """
    if not 0 < decay <= 1:
        raise HCSCError(f"layer_decay={decay} must lie in (0, 1]; 1 trains all stages alike")
    if decay == 1:
        return {}
    stages = parameter_stages(build_network(model_name))
    last = max(stages.values()) + 1
    return {
        f"backbone.timm_model.{name}": dict(lr_mult=decay ** (last - stage))
        for name, stage in stages.items()
    }


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
