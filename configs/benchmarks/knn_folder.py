"""Weighted nearest neighbours on any images in class folders.

python tools/test.py configs/benchmarks/knn_folder.py CHECKPOINT --cfg-options data_root=/my/photos
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/centre_crops.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change ----
data_root = "data/labelled_photos"  # with train/<class>/ and val/<class>/
image_size = 224
batch_size = 128
k = (1, 10, 20)  # at most as many as training images
temperature = 0.07
# ---------------------------------------

centre_crop = [
    _base_.load,
    dict(_base_.shorter_edge, scale=image_size * 8 // 7),  # 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]
loader = dict(_base_.loader, batch_size=batch_size, num_workers=2)
images = dict(type="hcsc_mm.LabelledImages", data_root=data_root, pipeline=centre_crop)
test_dataloader = dict(**loader, dataset=dict(**images, data_prefix="val"))
test_cfg = dict(train_dataloader=dict(**loader, dataset=dict(**images, data_prefix="train")))
test_evaluator = dict(type="hcsc_mm.KNN", k=k, temperature=temperature)
