"""Clusters of scikit-learn's handwritten digits, and the levels of a trained hierarchy, against the
digits that they show.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,clustering
"""

_base_ = ["../_base_/models/features_r50.py", "../_base_/default_runtime.py"]

test_dataloader = dict(
    batch_size=256,
    num_workers=0,
    dataset=dict(  # the images of the pre-training
        type="hcsc_mm.Digits",
        split="train",
        pipeline=[dict(type="Resize", scale=16, interpolation="bicubic"), dict(type="PackInputs")],
    ),
)
test_cfg = dict(type="hcsc_mm.FeatureTestLoop")
test_evaluator = [
    dict(type="hcsc_mm.Clustering", num_clusters=(60, 30, 10)),
    dict(type="hcsc_mm.HierarchyScores"),
]
