"""Classification on PASCAL VOC 2007: linear support vector machines on frozen features, trained on
trainval, mAP on test.

python tools/test.py configs/benchmarks/svm_voc07.py CHECKPOINT
"""

_base_ = ["../_base_/models/features_r50.py", "../_base_/default_runtime.py"]

# ---- the values that people change ----
data_root = "data/VOCdevkit/VOC2007"  # with JPEGImages, Annotations, ImageSets
batch_size = 64  # per GPU
costs = tuple(
    4.0**power for power in range(-3, 4)
)  # 1/64 to 64; each class takes its own, by cross-validation
# ---------------------------------------

whole_image = [
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
    dataset=dict(type="hcsc_mm.VOC", data_root=data_root, split="test", pipeline=whole_image),
)
test_cfg = dict(
    type="hcsc_mm.FeatureTestLoop",
    train_dataloader=dict(
        **loader,
        dataset=dict(
            type="hcsc_mm.VOC", data_root=data_root, split="trainval", pipeline=whole_image
        ),
    ),
)
test_evaluator = dict(type="hcsc_mm.LinearSVM", costs=costs)
