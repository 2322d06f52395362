"""What segmentation networks need to start from our backbones.

The library's FCN has three 3×3 convolutions as its stem (ResNetV1c), pre-trained weights have one
7×7. tools/train.py --checkpoint says which weights.
"""

plain_stem = dict(
    pretrained=None,
    backbone=dict(
        type="ResNet", init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone.")
    ),
)
