"""Names, against lists of what the libraries really use."""

import pytest
import released
import torch
from released import backbone_of, random_resnet

from hcsc_mm import HCSCError
from hcsc_mm.weights import detect_layout, sort_weights
from hcsc_mm.weights.layouts import place_detectron2, to_detectron2

# torchvision → detectron2, as detectron2's modules are called: stem, res2 to res5, a norm inside
# each convolution, shortcut
DETECTRON2 = {
    "conv1.weight": "stem.conv1.weight",
    "bn1.weight": "stem.conv1.norm.weight",
    "bn1.running_var": "stem.conv1.norm.running_var",
    "layer1.0.conv1.weight": "res2.0.conv1.weight",
    "layer1.0.bn1.bias": "res2.0.conv1.norm.bias",
    "layer1.2.bn3.running_mean": "res2.2.conv3.norm.running_mean",
    "layer1.0.downsample.0.weight": "res2.0.shortcut.weight",
    "layer1.0.downsample.1.num_batches_tracked": "res2.0.shortcut.norm.num_batches_tracked",
    "layer3.22.conv2.weight": "res4.22.conv2.weight",
    "layer4.0.downsample.1.running_mean": "res5.0.shortcut.norm.running_mean",
}


@pytest.mark.parametrize("name", DETECTRON2)
def test_backbone_has_detectron2s_names(name):
    assert to_detectron2(name) == DETECTRON2[name]


@pytest.mark.parametrize("depth", [18, 50])
def test_every_name_comes_back_from_detectron2(depth):
    names = list(backbone_of(random_resnet(depth)))
    renamed = [to_detectron2(name) for name in names]
    assert len(set(renamed)) == len(names)
    assert [place_detectron2(name) for name in renamed] == [
        ("query.backbone", name) for name in names
    ]


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (
            [
                "encoder_q.conv1.weight",
                "encoder_k.conv1.weight",
                "queue",
                "queue_ptr",
                "queue_index",
            ],
            "hcsc",
        ),
        (["encoder_q.conv1.weight", "queue", "queue_ptr"], "moco"),
        (
            [
                "conv1.weight",
                "layer1.0.conv1.weight",
                "projection_head.0.weight",
                "prototypes.weight",
            ],
            "swav",
        ),
        (["conv1.weight", "layer1.0.conv1.weight", "prototypes.prototypes0.weight"], "swav"),
        (["conv1.weight", "layer1.0.conv1.weight", "fc.weight"], "torchvision"),
        (["backbone.conv1.weight", "momentum_encoder.encoder.0.conv1.weight"], "hcsc_mm"),
        (
            ["backbone.conv1.weight", "neck.0.weight", "encoder_k.module.0.conv1.weight"],
            "mmpretrain",
        ),
        (["stem.conv1.weight", "res2.0.conv1.norm.weight"], "detectron2"),
        (["cls_token", "patch_embed.proj.weight"], None),
        ([], None),
    ],
)
def test_layout_is_known_by_its_names(names, layout):
    assert detect_layout(names) == layout


def test_moco_checkpoint_is_sorted_into_encoders_projections_and_a_queue_of_rows():
    state = released.hcsc()["state_dict"]
    contents = sort_weights(state)
    assert contents.layout == "hcsc"
    assert torch.equal(
        contents.parts["query.backbone"]["conv1.weight"], state["module.encoder_q.conv1.weight"]
    )
    assert torch.equal(
        contents.parts["key.projection"]["mlp.2.bias"], state["module.encoder_k.fc.2.bias"]
    )
    assert torch.equal(contents.parts["queue"]["keys"], state["module.queue"].T)
    assert (
        contents.parts["queue"]["pointer"].shape == () and contents.parts["queue"]["pointer"] == 8
    )
    assert contents.rest == ["module.queue_index"]
    assert len(contents.rest) + sum(map(len, contents.origins.values())) == len(state)


def test_projection_of_one_layer_is_the_first_of_an_mlp():
    contents = sort_weights(released.moco(num_layers=1)["state_dict"])
    assert set(contents.parts["query.projection"]) == {"mlp.0.weight", "mlp.0.bias"}


def test_forced_layout_that_does_not_fit_names_the_one_that_does():
    with pytest.raises(
        HCSCError,
        match=(
            r"no backbone of the layout detectron2; it looks like --from hcsc; the tensors are "
            r"module\.enc"
        ),
    ):
        sort_weights(released.hcsc()["state_dict"], "detectron2")
