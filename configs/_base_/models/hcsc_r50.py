"""HCSC with ResNet-50; the numbers are the paper's (reference: section 4)."""

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=16384,
    momentum=0.001,  # share of the query encoder: the key encoder keeps 0.999 of itself
    data_preprocessor=dict(
        type="SelfSupDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # 255 × (0.485, 0.456, 0.406), RGB
        std=[58.395, 57.12, 57.375],  # 255 × (0.229, 0.224, 0.225)
        to_rgb=True,  # images are loaded as BGR
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        # One part of the batch per GPU, shuffled for the key encoder: needs several GPUs. On a
        # single one, model.backbone.norm_cfg.type=hcsc_mm.SplitBatchNorm2d does the same.
        norm_cfg=dict(type="BN", requires_grad=True),
        zero_init_residual=False,
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=2048, hid_channels=2048, out_channels=128),
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.2, rule="released"),
)
