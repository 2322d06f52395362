"""The proof on one GPU: CIFAR-10 and CIFAR-100 with a ResNet-18, as solo-learn compares methods.

    make proof ARGS="--scale gpu --minutes 25"    one part of it; the same command goes on

Both data sets are downloaded into data/ if they are not there.
"""

default_scope = "mmpretrain"
custom_imports = dict(imports=["hcsc_mm"], allow_failed_imports=False)
title = "Proof on a GPU"
seeds = (0, 1, 2)
folder = "{{ fileDirname }}"
data = dict(
    cifar10=dict(
        config=f"{folder}/../hcsc_r18_200e_cifar10.py",
        train=dict(type="CIFAR10", data_root="data/cifar10", split="train"),
        test=dict(type="CIFAR10", data_root="data/cifar10", split="test"),
        num_clusters=(300, 100, 10),
        linear=True,
        note="CIFAR-10, 200 epochs, ResNet-18; kNN with k = 20.",
    ),
    cifar100=dict(
        config=f"{folder}/../hcsc_r18_200e_cifar100.py",
        train=dict(type="CIFAR100", data_root="data/cifar100", split="train"),
        test=dict(type="CIFAR100", data_root="data/cifar100", split="test"),
        num_clusters=(300, 100, 20),
        linear=True,
        note="CIFAR-100, 200 epochs, ResNet-18; kNN with k = 20.",
    ),
)
methods = dict(
    start=dict(config=f"{folder}/../mocov2_r18_digits.py", trains=False, yardsticks=True),
    mocov2=dict(config=f"{folder}/../mocov2_r18_digits.py", yardsticks=True),
    pclv2=dict(config=f"{folder}/../pcl_r18_digits.py"),
    swav=dict(config=f"{folder}/../swav_r18_digits.py"),
    hcsc_released=dict(options={"model.head.rule": "released"}),
    hcsc_paper=dict(options={"model.head.rule": "paper"}),
)
differences = (
    ("hcsc_released", "mocov2"),
    ("hcsc_released", "pclv2"),
    ("hcsc_paper", "mocov2"),
    ("hcsc_paper", "pclv2"),
)
