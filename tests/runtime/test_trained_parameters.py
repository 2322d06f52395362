"""The optimizer's groups: rates that shrink by the layer, beside mmpretrain's constructor."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from hcsc_mm.errors import HCSCError
from hcsc_mm.models import TIMMBackbone

pytest.importorskip("timm")
NO_DECAY = dict(
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    flat_decay_mult=0.0,
    custom_keys=dict(cls_token=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0)),
)


class Model(torch.nn.Module):
    """A backbone, a key encoder that is not trained, and a neck."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.key_encoder = torch.nn.Linear(2, 2).requires_grad_(False)
        self.neck = torch.nn.Linear(4, 4)

    def get_layer_depth(self, name):  # what mmpretrain's constructor asks of a model
        return self.backbone.get_layer_depth(name, "backbone.")


def small_vit():
    return TIMMBackbone(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2
    )


def mmpretrains_vit():
    arch = dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64)
    return MODELS.build(
        dict(type="mmpretrain.VisionTransformer", arch=arch, img_size=32, patch_size=8)
    )


def mmpretrains_resnet():
    return MODELS.build(dict(type="mmpretrain.ResNet", depth=50))


def rates(model, constructor, **paramwise):
    """Name of a parameter → its learning rate and weight decay, of base rates 1 and 0.5."""
    options = dict(
        optimizer=dict(type="AdamW", lr=1.0, weight_decay=0.5),
        constructor=constructor,
        paramwise_cfg=paramwise,
    )
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        wrapper = build_optim_wrapper(model, options)
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {
        names[id(weight)]: (group["lr"], group.get("weight_decay", 0.5))
        for group in wrapper.optimizer.param_groups
        for weight in group["params"]
    }


OURS = "hcsc_mm.TrainedParametersConstructor"


@pytest.mark.parametrize("backbone", [small_vit, mmpretrains_vit, mmpretrains_resnet])
@pytest.mark.parametrize("rest", [{}, NO_DECAY])
def test_learning_rates_shrink_as_mmpretrains_constructor_shrinks_them(backbone, rest):
    model = Model(backbone())
    ours = rates(model, OURS, layer_decay_rate=0.65, **rest)
    theirs = rates(model, "LearningRateDecayOptimWrapperConstructor", layer_decay_rate=0.65, **rest)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if "key_encoder" in name]
    for name, found in ours.items():
        assert found == pytest.approx(theirs[name], rel=1e-12), name


def test_weight_decay_shrinks_by_the_layer_and_what_has_none_keeps_none():
    found = rates(Model(small_vit()), OURS, layer_weight_decay_rate=0.5, **NO_DECAY)
    network = "backbone.timm_model"
    assert {rate for rate, _ in found.values()} == {1.0}
    assert found["neck.weight"] == (1.0, 0.5)
    assert found[f"{network}.blocks.1.mlp.fc1.weight"] == (1.0, 0.5 * 0.5)
    assert found[f"{network}.blocks.0.mlp.fc1.weight"] == (1.0, 0.5 * 0.5**2)
    assert found[f"{network}.patch_embed.proj.weight"] == (1.0, 0.5 * 0.5**3)
    for name in ("blocks.0.norm1.weight", "blocks.1.mlp.fc1.bias", "cls_token", "pos_embed"):
        assert found[f"{network}.{name}"] == (1.0, 0.0)


def test_learning_rates_of_a_network_of_timm_shrink_by_the_stage():
    found = rates(Model(TIMMBackbone("resnet18")), OURS, layer_decay_rate=0.5)
    by_part = {}
    for name, (rate, _) in found.items():
        part = name.removeprefix("backbone.timm_model.").split(".")[0].replace("bn1", "conv1")
        by_part.setdefault(part, set()).add(rate)
    assert by_part == {
        "conv1": {0.5**5},
        "layer1": {0.5**4},
        "layer2": {0.5**3},
        "layer3": {0.5**2},
        "layer4": {0.5},
        "neck": {1.0},
    }


def test_a_factor_of_one_changes_nothing():
    model = Model(small_vit())
    assert rates(model, OURS, layer_decay_rate=1.0, **NO_DECAY) == rates(model, OURS, **NO_DECAY)


@pytest.mark.parametrize(
    ("backbone", "paramwise", "message"),
    [
        (small_vit, dict(layer_decay_rate=0.0), r"layer_decay_rate=0.0 must lie in \(0, 1\]"),
        (small_vit, dict(layer_weight_decay_rate=1.5), "layer_weight_decay_rate=1.5 must lie in"),
        (small_vit, dict(norm_decay=0.0), "paramwise_cfg.norm_decay; did you mean norm_decay_mult"),
        (small_vit, dict(foo=0.0), "paramwise_cfg.foo; there are bias_decay_mult, bias_lr_mult"),
        (lambda: torch.nn.Linear(4, 4), dict(layer_decay_rate=0.5), "Linear does not say how deep"),
        (
            lambda: MODELS.build(dict(type="mmpretrain.ResNet", depth=18)),
            dict(layer_decay_rate=0.5),
            "ResNet does not say how deep",
        ),
    ],
)
def test_what_cannot_be_is_refused(backbone, paramwise, message):
    with pytest.raises(HCSCError, match=message):
        rates(Model(backbone()), OURS, **paramwise)


def test_rates_of_a_backbone_that_is_not_trained_are_refused():
    frozen = TIMMBackbone("resnet18", frozen_stages=-1)
    with pytest.raises(HCSCError, match="of which nothing is trained"):
        rates(Model(frozen), OURS, layer_decay_rate=0.5)


@pytest.mark.parametrize(
    ("optimizer", "rate", "words"),
    [
        (dict(type="SGD", lr=1.0), "layer_weight_decay_rate", "needs a weight_decay"),
        (dict(type="AdamW"), "layer_decay_rate", "needs a lr"),
    ],
)
def test_what_is_not_there_cannot_shrink(optimizer, rate, words):
    wrapper = dict(optimizer=optimizer, constructor=OURS, paramwise_cfg={rate: 0.5})
    with pytest.raises(HCSCError, match=words):
        build_optim_wrapper(Model(small_vit()), wrapper)
