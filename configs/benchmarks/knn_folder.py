"""Weighted nearest neighbours on any images in class folders.

python tools/test.py configs/benchmarks/knn_folder.py CHECKPOINT
"""

_base_ = ["../_base_/models/features_r50.py", "../_base_/default_runtime.py"]

# ---- the values that people change ----
data_root = "data/labelled_photos"  # with train/<class>/ and val/<class>/
image_size = 224
batch_size = 128
k = (1, 10, 20)  # at most as many as training images
temperature = 0.07
# ---------------------------------------

centre_crop = [
    dict(type="hcsc_mm.LoadImage"),
    dict(
        type="ResizeEdge", scale=image_size * 8 // 7, edge="short", backend="pillow"
    ),  # 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]
loader = dict(
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=False,
)
train_set = dict(
    type="hcsc_mm.LabelledImages", data_root=data_root, data_prefix="train", pipeline=centre_crop
)
test_set = dict(
    type="hcsc_mm.LabelledImages", data_root=data_root, data_prefix="val", pipeline=centre_crop
)
test_dataloader = dict(**loader, dataset=test_set)
test_cfg = dict(type="hcsc_mm.FeatureTestLoop", train_dataloader=dict(**loader, dataset=train_set))
test_evaluator = dict(type="hcsc_mm.KNN", k=k, temperature=temperature)
