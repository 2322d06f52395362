"""Weighted nearest neighbours on ImageNet, as in the paper (HCSC 200 epochs: 60.7 there).

python tools/test.py configs/benchmarks/knn_in1k.py CHECKPOINT
"""

_base_ = ["../_base_/models/features_r50.py", "../_base_/default_runtime.py"]

# ---- the values that people change ----
data_root = "data/imagenet"  # with train/<class>/ and val/<class>/
batch_size = 128  # per GPU
k = (10, 20, 100, 200)
temperature = 0.07
# ---------------------------------------

centre_crop = [
    dict(type="hcsc_mm.LoadImage"),
    dict(type="ResizeEdge", scale=256, edge="short", backend="pillow"),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackInputs"),
]
loader = dict(
    batch_size=batch_size,
    num_workers=8,
    persistent_workers=False,
)
test_dataloader = dict(
    **loader,
    dataset=dict(
        type="hcsc_mm.LabelledImages", data_root=data_root, data_prefix="val", pipeline=centre_crop
    ),
)
test_cfg = dict(
    type="hcsc_mm.FeatureTestLoop",
    train_dataloader=dict(
        **loader,
        dataset=dict(
            type="hcsc_mm.LabelledImages",
            data_root=data_root,
            data_prefix="train",
            pipeline=centre_crop,
        ),
    ),
)
test_evaluator = dict(type="hcsc_mm.KNN", k=k, temperature=temperature)
