"""Faster R-CNN, R50-FPN, on COCO: the library's 1×, 12 epochs, with MoCo's normalisation and image
sizes.

tools/benchmarks/transfer.sh configs/benchmarks/detection/faster-rcnn_r50_fpn_1x_coco.py CHECKPOINT
8
"""

# 8 GPUs × 2 images, lr 0.02; RGB, strides as in our backbones
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"

norm_cfg = dict(
    type="SyncBN", requires_grad=True
)  # trained throughout, and in the new layers as well

model = dict(
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        init_cfg=dict(
            type="Pretrained", checkpoint=None, prefix="backbone."
        ),  # --checkpoint says which
    ),
    neck=dict(norm_cfg=norm_cfg),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="RandomChoiceResize",
        scales=[(1333, short) for short in range(640, 801, 32)],
        keep_ratio=True,
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
