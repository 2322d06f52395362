"""Linear classification on frozen features, CIFAR-10, with ImageNet's recipe.

python tools/run_stages.py configs/hcsc_r18_200e_cifar10.py --stages pretrain,linear
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
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
# CIFAR's files hold RGB; everything below, as everywhere else, takes BGR
to_bgr = [dict(type="NumpyToPIL", to_rgb=False), dict(type="PILToNumpy", to_bgr=True)]
random_crop = [
    *to_bgr,
    dict(type="RandomResizedCrop", scale=32, backend="pillow"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
whole_image = [*to_bgr, dict(type="PackInputs")]
train_set = dict(
    _delete_=True, type="CIFAR10", data_root=data_root, split="train", pipeline=random_crop
)
test_set = dict(
    _delete_=True, type="CIFAR10", data_root=data_root, split="test", pipeline=whole_image
)

model = dict(
    backbone=dict(type="ResNet_CIFAR", depth=18),
    data_preprocessor=dict(
        mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255]
    ),  # as in pre-training
    head=dict(num_classes=num_classes, in_channels=512),
)
train_dataloader = dict(batch_size=batch_size, num_workers=4, dataset=train_set)
val_dataloader = dict(batch_size=512, num_workers=4, dataset=test_set)
test_dataloader = dict(batch_size=512, num_workers=4, dataset=test_set)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=milestones, gamma=0.1)]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
auto_scale_lr = dict(base_batch_size=batch_size)
