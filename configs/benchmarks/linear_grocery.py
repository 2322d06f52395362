"""Linear classification on frozen features, the Grocery Store data set.

python tools/run_stages.py configs/hcsc_r18_grocery.py --stages pretrain,linear
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/datasets/grocery.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
batch_size = 64  # on one process
max_epochs = 20
milestones = [12, 16]  # lr × 0.1 after so many epochs: as late as 60 and 80 of 100
# ---------------------------------------------------------------------------------

lr = 5.0 * batch_size / 256  # ImageNet's 5 per 256 images: 5 × 64 / 256 = 1.25
model = dict(backbone=dict(depth=18), head=dict(num_classes=_base_.num_classes, in_channels=512))
test_set = dict(**_base_.test_images, data_prefix="", pipeline=_base_.centre_crop)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(**_base_.train_images, data_prefix="", pipeline=_base_.random_crop),
)
val_dataloader = dict(batch_size=128, num_workers=1, dataset=test_set)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(logger=dict(interval=10))
