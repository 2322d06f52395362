"""Weighted nearest neighbours on scikit-learn's handwritten digits: 1437 to learn from, 360 to
test.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,knn
"""

_base_ = ["../_base_/models/features_r50.py", "../_base_/default_runtime.py"]

k = (1, 10, 20)
view = [
    dict(type="Resize", scale=16, interpolation="bicubic"),
    dict(type="PackInputs"),
]  # as in pre-training
loader = dict(
    batch_size=256,
    num_workers=0,
)
test_dataloader = dict(**loader, dataset=dict(type="hcsc_mm.Digits", split="test", pipeline=view))
test_cfg = dict(
    type="hcsc_mm.FeatureTestLoop",
    train_dataloader=dict(
        **loader, dataset=dict(type="hcsc_mm.Digits", split="train", pipeline=view)
    ),
)
test_evaluator = dict(type="hcsc_mm.KNN", k=k)
