"""A linear classifier on a frozen ResNet-50."""

model = dict(
    type="hcsc_mm.LinearProbe",
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],  # 255 × (0.485, 0.456, 0.406), RGB
        std=[58.395, 57.12, 57.375],  # 255 × (0.229, 0.224, 0.225)
        to_rgb=True,  # images are loaded as BGR
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(
            type="Pretrained", checkpoint=None, prefix="backbone."
        ),  # tools/train.py --checkpoint FILE
    ),
    head=dict(
        type="LinearClsHead", num_classes=1000, in_channels=2048
    ),  # weights from N(0, 0.01²), biases from 0
)
