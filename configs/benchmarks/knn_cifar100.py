"""As knn_cifar10.py, on CIFAR-100.

python tools/run_stages.py configs/hcsc_r18_200e_cifar100.py --stages pretrain,knn
"""

_base_ = ["knn_cifar10.py"]

data_root = "data/cifar100"
model = dict(
    data_preprocessor=dict(mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418])
)  # as in pre-training
test_dataloader = dict(dataset=dict(type="CIFAR100", data_root=data_root))
test_cfg = dict(train_dataloader=dict(dataset=dict(type="CIFAR100", data_root=data_root)))
