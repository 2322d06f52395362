"""What detectors need to start from our backbones, for MoCo's protocols: parts that configs take.

Norms are synchronised over GPUs and trained throughout, also in the new layers. tools/train.py
--checkpoint says which weights.
"""

synchronised = dict(type="SyncBN", requires_grad=True)
start = dict(type="Pretrained", checkpoint=None, prefix="backbone.")
trained_backbone = dict(frozen_stages=-1, norm_cfg=synchronised, norm_eval=False, init_cfg=start)
# The library's C4 models take Caffe's weights: BGR, no scaling, strides in the 1×1 convolutions.
# Ours are PyTorch's.
c4_model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(**trained_backbone, style="pytorch"),
    roi_head=dict(
        # the backbone's last stage, and one more norm: its features have not the scale that
        # detectors are tuned for
        shared_head=dict(
            type="hcsc_mm.NormedResLayer",
            norm_cfg=synchronised,
            norm_eval=False,
            style="pytorch",
            init_cfg=start,
        ),
    ),
)
fpn_model = dict(backbone=trained_backbone, neck=dict(norm_cfg=synchronised))

load_image = dict(type="LoadImageFromFile")
resize_and_flip = [
    dict(
        type="RandomChoiceResize",
        scales=[(1333, short) for short in range(640, 801, 32)],
        keep_ratio=True,
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
