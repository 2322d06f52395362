"""Classification on PASCAL VOC 2007: linear support vector machines on frozen features, trained on
trainval, mAP on test.

python tools/test.py configs/benchmarks/svm_voc07.py CHECKPOINT
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/centre_crops.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change ----
data_root = "data/VOCdevkit/VOC2007"  # with JPEGImages, Annotations, ImageSets
batch_size = 64  # per GPU
# 1/64 to 64; each class takes its own, by cross-validation
costs = tuple(4.0**power for power in range(-3, 4))
# ---------------------------------------

loader = dict(_base_.loader, batch_size=batch_size)
images = dict(type="hcsc_mm.VOC", data_root=data_root, pipeline=_base_.centre_crop)
test_dataloader = dict(**loader, dataset=dict(**images, split="test"))
test_cfg = dict(train_dataloader=dict(**loader, dataset=dict(**images, split="trainval")))
test_evaluator = dict(type="hcsc_mm.LinearSVM", costs=costs)
