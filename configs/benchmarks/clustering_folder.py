"""Clusters of any images in class folders against their classes: k-means of the features, and each
level of a trained hierarchy.

python tools/test.py configs/benchmarks/clustering_folder.py CHECKPOINT
"""

_base_ = ["knn_folder.py"]

# ---- the values that people change ----
num_clusters = (100, 10)
# ---------------------------------------

# The images of the pre-training, train/: a hierarchy is of its own images. Without
# hcsc_mm.HierarchyScores any images will do.
test_dataloader = dict(dataset=dict(data_prefix="train"))
test_cfg = dict(train_dataloader=None)
test_evaluator = [
    dict(type="hcsc_mm.Clustering", num_clusters=num_clusters),
    dict(type="hcsc_mm.HierarchyScores"),
]
