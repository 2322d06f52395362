"""A checkpoint's backbone in other libraries, as the README says."""

import torch
import torchvision
from mmpretrain.registry import MODELS

from hcsc_mm.models import HCSC


def trained(tmp_path):
    model = HCSC(
        backbone=dict(type="mmpretrain.ResNet", depth=18),
        neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=512),
        head=dict(type="hcsc_mm.HCSCHead"),
        queue_len=16,
    )
    model.init_weights()
    model.backbone(torch.randn(4, 3, 64, 64))  # running statistics that are not the initial ones
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "epoch_1.pth")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        return images, model.eval().backbone(images)[-1]


def test_backbone_loads_in_mmpretrain_and_gives_the_same_features(tmp_path):
    images, features = trained(tmp_path)
    init_cfg = dict(type="Pretrained", checkpoint=str(tmp_path / "epoch_1.pth"), prefix="backbone.")
    backbone = MODELS.build(dict(type="mmpretrain.ResNet", depth=18, init_cfg=init_cfg))
    backbone.init_weights()
    backbone.eval()  # mmpretrain's returns None
    with torch.no_grad():
        torch.testing.assert_close(backbone(images)[-1], features)


def test_backbone_loads_in_torchvision_and_gives_the_same_features(tmp_path):
    images, features = trained(tmp_path)
    state = torch.load(tmp_path / "epoch_1.pth", weights_only=True)["state_dict"]
    backbone = {
        name.removeprefix("backbone."): value
        for name, value in state.items()
        if name.startswith("backbone.")
    }
    model = torchvision.models.resnet18()
    missing, unexpected = model.load_state_dict(backbone, strict=False)
    assert missing == ["fc.weight", "fc.bias"]
    assert not unexpected
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(
            model.eval()(images), features.mean(dim=(2, 3)), rtol=1e-5, atol=1e-5
        )
