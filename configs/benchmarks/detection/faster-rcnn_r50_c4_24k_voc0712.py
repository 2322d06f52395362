"""Faster R-CNN, R50-C4, on VOC07+12: 24,000 iterations, tested on VOC07. The protocol is MoCo's
(its detectron2 configs).

tools/benchmarks/transfer.sh configs/benchmarks/detection/faster-rcnn_r50_c4_24k_voc0712.py
CHECKPOINT 8
"""

# its images: short side 480 to 800, 800 in tests
_base_ = [
    "mmdet::pascal_voc/faster-rcnn_r50-caffe-c4_ms-18k_voc0712.py",
    "../../_base_/models/detection_r50.py",
]
custom_imports = dict(imports=["hcsc_mm.models.shared_heads"], allow_failed_imports=False)

max_iters = 24000  # of 8 GPUs × 2 images

model = _base_.c4_model

# the two years differ in an entry of their metadata that names them
train_dataloader = dict(dataset=dict(ignore_keys=["dataset_type"]))

optim_wrapper = dict(
    paramwise_cfg=dict(norm_decay_mult=0.0)
)  # detectron2's default; SGD, lr 0.02, weight decay 1e-4 are the library's too
param_scheduler = [
    dict(type="LinearLR", start_factor=0.001, by_epoch=False, begin=0, end=100),
    dict(
        type="MultiStepLR",
        by_epoch=False,
        begin=0,
        end=max_iters,
        milestones=[18000, 22000],
        gamma=0.1,
    ),
]
train_cfg = dict(max_iters=max_iters, val_interval=6000)
default_hooks = dict(checkpoint=dict(interval=6000))

# AP is the mean over these thresholds, as on COCO; AP50 and AP75 are printed beside it
val_evaluator = dict(iou_thrs=[0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
test_evaluator = val_evaluator
