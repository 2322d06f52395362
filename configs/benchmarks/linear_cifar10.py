"""Linear classification on frozen features, CIFAR-10, with ImageNet's recipe.

python tools/run_stages.py configs/hcsc_r18_200e_cifar10.py --stages pretrain,linear
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/datasets/cifar.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/cifar10"
num_classes = 10
batch_size = 256  # on one GPU
max_epochs = 100
milestones = [60, 80]  # lr × 0.1 after so many epochs
# ---------------------------------------------------------------------------------

lr = 5.0 * batch_size / 256
random_crop = [*_base_.to_bgr, dict(_base_.area_crop, scale=32), *_base_.flip_and_pack]
images = dict(_delete_=True, type="CIFAR10", data_root=data_root)
train_set = dict(**images, split="train", pipeline=random_crop)
test_set = dict(**images, split="test", pipeline=_base_.whole_image)

model = dict(
    backbone=dict(type="ResNet_CIFAR", depth=18),
    data_preprocessor=_base_.cifar10_colours,
    head=dict(num_classes=num_classes, in_channels=512),
)
train_dataloader = dict(batch_size=batch_size, num_workers=4, dataset=train_set)
val_dataloader = dict(batch_size=512, num_workers=4, dataset=test_set)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
auto_scale_lr = dict(base_batch_size=batch_size)
