"""Linear classification on frozen features, CIFAR-100. All else: linear_cifar10.py.

python tools/run_stages.py configs/hcsc_r18_200e_cifar100.py --stages pretrain,linear
"""

_base_ = ["linear_cifar10.py"]

# ---- the values that differ ----
data_root = "data/cifar100"
num_classes = 100
# --------------------------------

dataset = dict(type="CIFAR100", data_root=data_root)
model = dict(data_preprocessor=_base_.cifar100_colours, head=dict(num_classes=num_classes))
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
