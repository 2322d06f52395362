"""Faster R-CNN, R50-FPN, on COCO: the library's 1×, 12 epochs, with MoCo's normalisation and image
sizes.

tools/benchmarks/transfer.sh configs/benchmarks/detection/faster-rcnn_r50_fpn_1x_coco.py CHECKPOINT
8
"""

# 8 GPUs × 2 images, lr 0.02; RGB, strides as in our backbones
_base_ = [
    "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "../../_base_/models/detection_r50.py",
]

model = _base_.fpn_model

annotations = dict(type="LoadAnnotations", with_bbox=True)
train_pipeline = [_base_.load_image, annotations, *_base_.resize_and_flip]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
