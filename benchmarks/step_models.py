"""The models whose training steps are compared: HCSC, MoCo v2 and v3, a classifier, of equal
encoders.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from torch import Tensor, nn

import hcsc_mm  # noqa: F401
from hcsc_mm.registry import MODELS
from hcsc_mm.structures import PrototypeHierarchy

DIM, TEMPERATURE = 128, 0.2
IMAGES = 50_000  # that the hierarchy is over: of no matter for a step


@dataclass(frozen=True)
class Sizes:
    """What a step is made of.

    Attributes:
        batch: Images.
        side: Pixels per side of an image.
        queue: Keys.
        prototypes: Per level, finest first.
        depth: Of the ResNet.
        patch, width, blocks, heads, hidden: Of the transformer and of MoCo v3's necks.
    """

    batch: int
    side: int
    queue: int
    prototypes: tuple[int, ...]
    depth: int
    patch: int
    width: int
    blocks: int
    heads: int
    hidden: int


SIZES = {
    "tiny": Sizes(4, 32, 64, (12, 6, 3), 18, 8, 64, 2, 2, 64),
    "small": Sizes(32, 64, 1024, (300, 200, 100), 18, 8, 192, 4, 3, 512),
    "large": Sizes(256, 224, 16384, (3000, 2000, 1000), 50, 16, 384, 12, 6, 4096),
}


def build(name: str, sizes: Sizes, device: str) -> nn.Module:
    """A model of the table, with random weights, ready to train.

    Args:
        name: 'hcsc', 'mocov2' and 'supervised' have the ResNet; 'hcsc_vit', 'hcsc_vit_symmetric'
            and 'mocov3' the transformer.
        sizes: Of the model.
        device: Where it goes.
    """
    MessageHub.get_current_instance().update_info("max_iters", 1_000_000)  # MoCo v3's schedule asks
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(CONFIGS[name](sizes)).to(device).train()
    if name.startswith("hcsc"):
        model.set_hierarchy(_random_hierarchy(sizes.prototypes).to(device))
    return model


def batch(name: str, sizes: Sizes, device: str) -> tuple[list[Tensor] | Tensor, list[DataSample]]:
    """Normalised images and samples, as a data preprocessor gives them."""
    generator = torch.Generator().manual_seed(0)
    shape = (sizes.batch, 3, sizes.side, sizes.side)
    views = [torch.randn(shape, generator=generator).to(device) for _ in range(2)]
    samples = []
    for index in range(sizes.batch):
        sample = DataSample(metainfo={"sample_idx": index}).set_gt_label(index % 10)
        samples.append(sample.to(device))
    return (views[0] if name == "supervised" else views), samples


def _random_hierarchy(num_prototypes: tuple[int, ...]) -> PrototypeHierarchy:
    generator = torch.Generator().manual_seed(0)
    pairs = itertools.pairwise(num_prototypes)
    return PrototypeHierarchy(
        torch.randint(num_prototypes[0], (IMAGES,), generator=generator),
        tuple(torch.randint(k, (n,), generator=generator) for n, k in pairs),
        tuple(F.normalize(torch.randn(k, DIM, generator=generator), dim=1) for k in num_prototypes),
        tuple(torch.full((k,), TEMPERATURE) for k in num_prototypes),
    )


def _resnet(sizes: Sizes) -> dict:
    return dict(type="ResNet", depth=sizes.depth, norm_cfg=dict(type="BN"))


def _channels(sizes: Sizes) -> int:
    return 2048 if sizes.depth >= 50 else 512


def _hcsc(sizes: Sizes, backbone: dict, channels: int, **options) -> dict:
    return dict(
        type="hcsc_mm.HCSC",
        queue_len=sizes.queue,
        backbone=backbone,
        neck=dict(
            type="hcsc_mm.ProjectionNeck",
            in_channels=channels,
            hid_channels=channels,
            out_channels=DIM,
        ),
        head=dict(type="hcsc_mm.HCSCHead", temperature=TEMPERATURE, rule="released"),
        **options,
    )


def _hcsc_resnet(sizes: Sizes) -> dict:
    return _hcsc(sizes, _resnet(sizes), _channels(sizes))


def _hcsc_vit(sizes: Sizes, **options) -> dict:
    backbone = dict(
        type="hcsc_mm.TIMMBackbone",
        model_name="vit_small_patch16_224",
        img_size=sizes.side,
        patch_size=sizes.patch,
        embed_dim=sizes.width,
        depth=sizes.blocks,
        num_heads=sizes.heads,
        pooling="token",
        frozen_patch_embed=True,
    )
    return _hcsc(sizes, backbone, sizes.width, **options)


def _mocov2(sizes: Sizes) -> dict:
    """mmpretrain's, with HCSC's length of the queue."""
    channels = _channels(sizes)
    return dict(
        type="MoCo",
        queue_len=sizes.queue,
        feat_dim=DIM,
        momentum=0.001,
        backbone=_resnet(sizes),
        neck=dict(type="MoCoV2Neck", in_channels=channels, hid_channels=channels, out_channels=DIM),
        head=dict(
            type="ContrastiveHead", loss=dict(type="CrossEntropyLoss"), temperature=TEMPERATURE
        ),
    )


def _mocov3(sizes: Sizes) -> dict:
    """mmpretrain's for ViT-S; on one process its synchronised batch norm is batch norm."""
    neck = dict(
        type="NonLinearNeck",
        hid_channels=sizes.hidden,
        out_channels=256,
        with_bias=False,
        with_last_bn=True,
        with_last_bn_affine=False,
        with_last_bias=False,
        with_avg_pool=False,
        norm_cfg=dict(type="BN1d"),
    )
    arch = dict(
        embed_dims=sizes.width,
        num_layers=sizes.blocks,
        num_heads=sizes.heads,
        feedforward_channels=4 * sizes.width,
    )
    return dict(
        type="MoCoV3",
        backbone=dict(
            type="MoCoV3ViT",
            arch=arch,
            img_size=sizes.side,
            patch_size=sizes.patch,
            stop_grad_conv1=True,
        ),
        neck=dict(neck, in_channels=sizes.width, num_layers=3),
        head=dict(
            type="MoCoV3Head",
            predictor=dict(neck, in_channels=256, num_layers=2),
            loss=dict(type="CrossEntropyLoss", loss_weight=2 * TEMPERATURE),
            temperature=TEMPERATURE,
        ),
    )


def _supervised(sizes: Sizes) -> dict:
    return dict(
        type="ImageClassifier",
        backbone=_resnet(sizes),
        neck=dict(type="GlobalAveragePooling"),
        head=dict(type="LinearClsHead", num_classes=1000, in_channels=_channels(sizes)),
    )


CONFIGS = {
    "hcsc": _hcsc_resnet,
    "mocov2": _mocov2,
    "supervised": _supervised,
    "hcsc_vit": _hcsc_vit,
    "hcsc_vit_symmetric": lambda sizes: _hcsc_vit(sizes, symmetric=True),
    "mocov3": _mocov3,
}
