"""Names, against lists of what the libraries really use."""

import pytest
from released import backbone_of, random_resnet

from hcsc_mm.weights import detect_layout
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
