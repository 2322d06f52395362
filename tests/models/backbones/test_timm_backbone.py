"""Networks of timm: what is frozen stays, and learning rates shrink towards the image."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from hcsc_mm import HCSCError
from hcsc_mm.models import TIMMBackbone
from hcsc_mm.models.backbones.timm_backbone import layer_decay, mean_and_std, out_channels

pytest.importorskip("timm")
NAME = "resnet18"  # stem and four stages


def step(backbone):
    """Train once; names of parameters and buffers that are others afterwards."""
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([w for w in backbone.parameters() if w.requires_grad], lr=1.0)
    (features,) = backbone(torch.randn(4, 3, 32, 32))
    (features * torch.randn_like(features)).sum().backward()
    optimizer.step()
    after = backbone.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_frozen_stages_keep_weights_and_statistics_and_others_move():
    backbone = TIMMBackbone(NAME, frozen_stages=3).train()  # stem, layer1, layer2
    moved = step(backbone)
    assert not [
        name
        for name in moved
        if ".layer1." in name or ".layer2." in name or (".bn1" in name and ".layer" not in name)
    ]
    assert (
        "timm_model.layer3.0.downsample.0.weight" in moved
    )  # timm starts blocks at their shortcuts
    assert "timm_model.layer3.0.bn1.running_mean" in moved


def test_norms_in_eval_mode_keep_their_statistics_while_their_weights_move():
    moved = step(TIMMBackbone(NAME, norm_eval=True).train())
    assert not [name for name in moved if "running" in name]
    assert "timm_model.bn1.weight" in moved


def test_all_stages_can_be_frozen():
    backbone = TIMMBackbone(NAME, frozen_stages=-1).train()
    assert not any(weight.requires_grad for weight in backbone.parameters())
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(backbone(images)[0], backbone.eval()(images)[0])


def test_state_dict_is_that_of_mmpretrains_wrapper():
    names = TIMMBackbone(NAME, frozen_stages=1).state_dict()
    assert "timm_model.layer4.1.conv2.weight" in names
    assert not [name for name in names if not name.startswith("timm_model.")]


def test_learning_rates_shrink_by_the_stage():
    model = torch.nn.Module()
    model.backbone = TIMMBackbone(NAME)
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type="SGD", lr=1.0),
            paramwise_cfg=dict(custom_keys=layer_decay(NAME, 0.5)),
        ),
    )
    found = {}
    for group in wrapper.optimizer.param_groups:
        (weight,) = group["params"]
        name = next(n for n, w in model.named_parameters() if w is weight)
        found.setdefault(name.split(".")[2].replace("bn1", "conv1"), set()).add(group["lr"])
    assert found == {
        "conv1": {0.5**5},
        "layer1": {0.5**4},
        "layer2": {0.5**3},
        "layer3": {0.5**2},
        "layer4": {0.5},
    }


def test_a_network_says_what_it_wants_and_gives():
    mean, std = mean_and_std("tf_efficientnet_lite0")
    assert (mean, std) == ([127.5] * 3, [127.5] * 3)
    assert mean_and_std(NAME)[0] == pytest.approx([123.675, 116.28, 103.53])
    for name in (NAME, "tf_efficientnet_lite0", "mobilenetv3_small_050"):
        (features,) = TIMMBackbone(name).eval()(torch.zeros(1, 3, 64, 64))
        assert features.shape[1] == out_channels(name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TIMMBackbone("resnet17"), "timm has no network resnet17"),
        (lambda: TIMMBackbone(NAME, frozen_stages=6), r"frozen_stages=6 .* must be -1 .* to 5"),
        (lambda: layer_decay(NAME, 0.0), "layer_decay=0.0 must lie in"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(HCSCError, match=message):
        call()
