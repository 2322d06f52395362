"""Clusters of CIFAR-10's training images, and the levels of a trained hierarchy, against its
classes.

python tools/run_stages.py configs/hcsc_r18_200e_cifar10.py --stages pretrain,clustering
"""

_base_ = ["knn_cifar10.py"]

# ---- the values that people change ----
num_clusters = (100, 10)
# ---------------------------------------

test_dataloader = dict(dataset=dict(split="train"))  # the images of the pre-training
test_cfg = dict(train_dataloader=None)
test_evaluator = [
    dict(type="hcsc_mm.Clustering", num_clusters=num_clusters),
    dict(type="hcsc_mm.HierarchyScores"),
]
