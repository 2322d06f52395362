"""A linear classifier on a frozen ResNet-50."""

_base_ = ["r50.py"]

model = dict(
    type="hcsc_mm.LinearProbe",
    # tools/train.py --checkpoint FILE
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone.")),
    # weights from N(0, 0.01²), biases from 0
    head=dict(type="LinearClsHead", num_classes=1000, in_channels=2048),
)
