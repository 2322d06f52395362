"""Clusters of the Grocery Store training images, and the levels of a trained hierarchy, against the
81 classes and the 43 coarse ones.

python tools/run_stages.py configs/hcsc_r18_grocery.py --stages pretrain,clustering
"""

_base_ = ["knn_grocery.py"]

test_dataloader = dict(dataset=dict(ann_file="train.txt"))  # the images of the pre-training
test_cfg = dict(train_dataloader=None)
test_evaluator = [
    dict(type="hcsc_mm.Clustering", num_clusters=(81, 43)),
    dict(type="hcsc_mm.HierarchyScores"),
]
