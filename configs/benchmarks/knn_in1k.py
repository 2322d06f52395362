"""Weighted nearest neighbours on ImageNet, as in the paper (HCSC 200 epochs: 60.7 there).

python tools/test.py configs/benchmarks/knn_in1k.py CHECKPOINT
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/centre_crops.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change ----
data_root = "data/imagenet"  # with train/<class>/ and val/<class>/
batch_size = 128  # per GPU
k = (10, 20, 100, 200)
temperature = 0.07
# ---------------------------------------

loader = dict(_base_.loader, batch_size=batch_size)
centre_crop = [
    _base_.load,
    # as in the released code; all else here is bilinear
    dict(_base_.shorter_edge, scale=256, interpolation="bicubic"),
    *_base_.centre_crop[2:],
]
images = dict(type="hcsc_mm.LabelledImages", data_root=data_root, pipeline=centre_crop)
test_dataloader = dict(**loader, dataset=dict(**images, data_prefix="val"))
test_cfg = dict(train_dataloader=dict(**loader, dataset=dict(**images, data_prefix="train")))
test_evaluator = dict(type="hcsc_mm.KNN", k=k, temperature=temperature)
