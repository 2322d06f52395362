"""HCSC with ResNet-50; the numbers are the paper's (reference: section 4)."""

_base_ = ["r50.py"]

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=16384,
    momentum=0.001,  # share of the query encoder: the key encoder keeps 0.999 of itself
    data_preprocessor=dict(type="SelfSupDataPreprocessor"),
    backbone=dict(
        # One part of the batch per GPU, shuffled for the key encoder: needs several GPUs. On a
        # single one, model.backbone.norm_cfg.type=hcsc_mm.SplitBatchNorm2d does the same.
        norm_cfg=dict(type="BN", requires_grad=True),
        zero_init_residual=False,
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=2048, hid_channels=2048, out_channels=128),
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.2, rule="released"),
)
