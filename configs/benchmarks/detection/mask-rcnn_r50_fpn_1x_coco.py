"""Mask R-CNN, R50-FPN, on COCO: the library's 1×, 12 epochs, with MoCo's normalisation and image
sizes.

tools/benchmarks/transfer.sh configs/benchmarks/detection/mask-rcnn_r50_fpn_1x_coco.py CHECKPOINT 8
"""

# 8 GPUs × 2 images, lr 0.02; RGB, strides as in our backbones
_base_ = ["mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py", "../../_base_/models/detection_r50.py"]

model = dict(**_base_.fpn_model, roi_head=dict(mask_head=dict(norm_cfg=_base_.synchronised)))

annotations = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
train_pipeline = [_base_.load_image, annotations, *_base_.resize_and_flip]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
