"""As knn_cifar10.py, on CIFAR-100.

python tools/run_stages.py configs/hcsc_r18_200e_cifar100.py --stages pretrain,knn
"""

_base_ = ["knn_cifar10.py"]

data_root = "data/cifar100"
dataset = dict(type="CIFAR100", data_root=data_root)
model = dict(data_preprocessor=_base_.cifar100_colours)
test_dataloader = dict(dataset=dataset)
test_cfg = dict(train_dataloader=dict(dataset=dataset))
