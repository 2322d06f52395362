"""Clusters of CIFAR-100's training images, and the levels of a trained hierarchy, against its
classes.

python tools/run_stages.py configs/hcsc_r18_200e_cifar100.py --stages pretrain,clustering
"""

_base_ = ["clustering_cifar10.py"]

# ---- the values that differ ----
data_root = "data/cifar100"
num_clusters = (300, 100)
# --------------------------------

model = dict(data_preprocessor=_base_.cifar100_colours)
test_dataloader = dict(dataset=dict(type="CIFAR100", data_root=data_root))
test_evaluator = [
    dict(_base_.test_evaluator[0], num_clusters=num_clusters),
    *_base_.test_evaluator[1:],
]
