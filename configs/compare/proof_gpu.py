"""The proof on one GPU: CIFAR-10 and CIFAR-100 with a ResNet-18, as solo-learn compares methods.

    make proof ARGS="--scale gpu --minutes 25"    one part of it; the same command goes on

Both data sets are downloaded into data/ if they are not there.
"""

_base_ = ["../_base_/proof/methods.py"]

title = "Proof on a GPU"
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
