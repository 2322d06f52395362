"""Mask R-CNN, R50-C4, on COCO: 2×, 180,000 iterations. The protocol is MoCo's (its detectron2
configs).

tools/benchmarks/transfer.sh configs/benchmarks/detection/mask-rcnn_r50_c4_2x_coco.py CHECKPOINT 8
"""

_base_ = [
    "mmdet::mask_rcnn/mask-rcnn_r50-caffe-c4_1x_coco.py",
    "../../_base_/models/detection_r50.py",
]
custom_imports = dict(imports=["hcsc_mm.models.shared_heads"], allow_failed_imports=False)

max_iters = 180000  # of 8 GPUs × 2 images

model = _base_.c4_model

annotations = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
train_pipeline = [_base_.load_image, annotations, *_base_.resize_and_flip]
train_dataloader = dict(
    sampler=dict(type="InfiniteSampler", shuffle=True), dataset=dict(pipeline=train_pipeline)
)

optim_wrapper = dict(
    paramwise_cfg=dict(norm_decay_mult=0.0)
)  # detectron2's default; SGD, lr 0.02, weight decay 1e-4 are the library's too
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=1000),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=[120000, 160000],
        gamma=0.1,
    ),
]
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=max_iters, val_interval=30000)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=10000, max_keep_ckpts=3))
log_processor = dict(by_epoch=False)
