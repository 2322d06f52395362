"""By itself momentum contrast is mmpretrain's MoCo v2, and so is HCSC during warm-up."""

import pytest
import torch
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import hcsc_mm  # noqa: F401

BACKBONE = {
    "type": "ResNet_CIFAR",
    "depth": 18,
    "stem_channels": 8,
    "base_channels": 8,
    "style": "pytorch",
}
CHANNELS, EMBEDDING, QUEUE = 64, 16, 32


def moco():
    return MODELS.build(
        {
            "type": "MoCo",
            "queue_len": QUEUE,
            "feat_dim": EMBEDDING,
            "momentum": 0.001,
            "backbone": dict(BACKBONE),
            "neck": {
                "type": "MoCoV2Neck",
                "in_channels": CHANNELS,
                "hid_channels": CHANNELS,
                "out_channels": EMBEDDING,
            },
            "head": {
                "type": "ContrastiveHead",
                "loss": {"type": "CrossEntropyLoss"},
                "temperature": 0.2,
            },
        }
    )


def ours(kind, head):
    return MODELS.build(
        {
            "type": f"hcsc_mm.{kind}",
            "queue_len": QUEUE,
            "momentum": 0.001,
            "backbone": dict(BACKBONE),
            "neck": {
                "type": "hcsc_mm.ProjectionNeck",
                "in_channels": CHANNELS,
                "hid_channels": CHANNELS,
                "out_channels": EMBEDDING,
            },
            "head": {"type": f"hcsc_mm.{head}", "temperature": 0.2},
        }
    )


@pytest.mark.parametrize(
    ("kind", "head"), [("MomentumContrast", "InfoNCEHead"), ("HCSC", "HCSCHead")]
)
def test_losses_and_weights_of_several_steps_are_those_of_mmpretrains_moco(kind, head):
    # In float64: the rounding of float32 alone, blown up by batch norm, can differ by 1e-4.
    reference, model = moco().double().train(), ours(kind, head).double().train()
    model.backbone.load_state_dict(reference.backbone.state_dict())
    model.neck.load_state_dict(reference.neck.state_dict())
    model.momentum_encoder.copy_from(model._query_encoder())
    reference.encoder_k.module.load_state_dict(model.momentum_encoder.encoder.state_dict())
    model.queue.keys.copy_(reference.queue.T)
    optimizers = [
        torch.optim.SGD(each.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
        for each in (reference, model)
    ]
    samples = [DataSample(metainfo={"sample_idx": index}) for index in range(8)]
    losses = []
    for _ in range(5):  # the queue of 4 batches wraps around
        crops = [torch.randn(8, 3, 32, 32, dtype=torch.float64) for _ in range(2)]
        for each, optimizer in zip((reference, model), optimizers, strict=True):
            found = each.loss([crop.clone() for crop in crops], samples)
            assert len(found) == 1
            (loss,) = found.values()
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert losses[1::2] == pytest.approx(losses[0::2], rel=1e-9)
    assert len(set(losses[0::2])) == 5
    torch.testing.assert_close(model.queue.keys, reference.queue.T, atol=1e-9, rtol=0)
    pairs = zip(
        model.momentum_encoder.encoder.parameters(),
        reference.encoder_k.module.parameters(),
        strict=True,
    )
    assert all(torch.allclose(own, theirs, atol=1e-10) for own, theirs in pairs)
