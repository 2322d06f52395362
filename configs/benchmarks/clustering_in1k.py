"""Clusters of ImageNet's training images against its classes: k-means of the features, and each
level of a trained hierarchy.

python tools/test.py configs/benchmarks/clustering_in1k.py CHECKPOINT
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/centre_crops.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change ----
data_root = "data/imagenet"  # with train/<class>/, the images of the pre-training
batch_size = 128  # per GPU
num_clusters = (25000, 1000)  # as in the paper
# ---------------------------------------

test_dataloader = dict(
    **_base_.loader,
    batch_size=batch_size,
    dataset=dict(
        type="hcsc_mm.LabelledImages",
        data_root=data_root,
        data_prefix="train",
        pipeline=_base_.centre_crop,
    ),
)
test_evaluator = [
    dict(type="hcsc_mm.Clustering", num_clusters=num_clusters),
    dict(type="hcsc_mm.HierarchyScores"),
]
