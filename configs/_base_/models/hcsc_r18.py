"""HCSC with ResNet-18 on one GPU or CPU, for some thousand images and batches of 64 to 256.

The config that uses it gives queue_len and num_splits.
"""

model = dict(
    type="hcsc_mm.HCSC",
    momentum=0.01,  # share of the query encoder; ten times ImageNet's, for a hundredth of its steps
    data_preprocessor=dict(
        type="SelfSupDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # of ImageNet, RGB
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type="ResNet",
        depth=18,
        # parts of the batch with statistics of their own, as several GPUs have
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d"),
        zero_init_residual=False,
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=512, hid_channels=512, out_channels=128),
    # 'released' takes the prototypes of the whole batch out of the negatives, and would leave few
    # of some ten or hundred prototypes
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.2, rule="paper"),
)
