"""HCSC, ResNet-18, CIFAR-100, 200 epochs on one GPU. All else: hcsc_r18_200e_cifar10.py.

python tools/train.py configs/hcsc_r18_200e_cifar100.py
"""

_base_ = ["hcsc_r18_200e_cifar10.py"]

# ---- the values that differ ----
data_root = "data/cifar100"  # downloaded (161 MB) if it is not there
# 3 : 2 : 1 as on ImageNet, and 100 as many as classes; 50,000 images / 300 = 167 each
num_prototypes = (300, 200, 100)
# --------------------------------

train_dataloader = dict(dataset=dict(type="CIFAR100", data_root=data_root))
model = dict(data_preprocessor=_base_.cifar100_colours)
default_hooks = dict(clustering=dict(num_prototypes=num_prototypes))
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_cifar100.py" for name in ("knn", "linear", "clustering")
]
