"""Mask R-CNN, ViT-S/16, on COCO: the library's 1× of transformers (Swin-T), 12 epochs with AdamW.

mmdet has no neck for maps of one stride: mmseg's Feature2Pyramid makes strides 4 to 32 of them, and
mmdet's FPN joins these. tools/benchmarks/transfer.sh
configs/benchmarks/detection/mask-rcnn_vits16_1x_coco.py CHECKPOINT 8
"""

# 8 GPUs × 2 images, lr 1e-4
_base_ = [
    "mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py",
    "../../_base_/models/dense_vits16.py",
    "../../_base_/models/detection_r50.py",  # its image sizes and norms
]
custom_imports = dict(imports=["mmseg.models"], allow_failed_imports=False)

model = dict(
    backbone=dict(**_base_.vits16, out_indices=(3, 5, 7, 11)),
    neck=[
        dict(type="mmseg.Feature2Pyramid", embed_dim=384, norm_cfg=_base_.synchronised),
        dict(
            type="FPN",
            in_channels=_base_.vits16_channels,
            out_channels=256,
            num_outs=5,
            norm_cfg=_base_.synchronised,
        ),
    ],
    roi_head=dict(mask_head=dict(norm_cfg=_base_.synchronised)),
)

annotations = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
train_pipeline = [_base_.load_image, annotations, *_base_.resize_and_flip]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(pos_embed=dict(decay_mult=0.0), cls_token=dict(decay_mult=0.0))
    )
)
