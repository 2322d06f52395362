"""Fine-tuning with few labels, any folder with train/<class>/ and val/<class>/, on one GPU or CPU.

    python tools/train.py configs/benchmarks/semi_folder.py --checkpoint FILE.pth --cfg-options
    data_root=/my/photos num_classes=12 per_class=5

Every value below can be changed so (docs/configs.md). Of another network than ResNet-50 say which:
model.backbone.depth=18 model.head.in_channels=512
Labels in lists: docs/evaluation.md.
"""

_base_ = [
    "../_base_/models/classifier_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/labelled_photos"  # train/<class>/ and val/<class>/, images at any depth below
num_classes = 10  # the number of those classes; a run says so before it starts if it is another
# the share of each class's images, at least one, that keep their labels; a whole number: so many of
# each
per_class = 0.1
seed = 0  # of the draw
image_size = 224  # as in the pre-training
batch_size = 64  # on one process
max_epochs = 70
milestones = [30, 60]  # both lr × 0.1 after so many epochs
# ---------------------------------------------------------------------------------

# of the backbone; the released recipe for 10 % of ImageNet: 0.005 × 64 / 256 = 0.00125
lr = 0.005 * batch_size / 256
head_lr = 0.02 * batch_size / 256
topk = (1, 5) if num_classes >= 5 else (1,)
random_crop = [_base_.load, dict(_base_.area_crop, scale=image_size), *_base_.flip_and_pack]
centre_crop = [
    _base_.load,
    dict(_base_.shorter_edge, scale=image_size * 8 // 7),  # 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]
labelled = dict(data_root=data_root, per_class=per_class, seed=seed, pipeline=random_crop)

model = dict(head=dict(num_classes=num_classes))
train_dataloader = dict(batch_size=batch_size, num_workers=4, dataset=labelled)
val_dataloader = dict(num_workers=4, dataset=dict(data_root=data_root, pipeline=centre_crop))
test_dataloader = val_dataloader
val_evaluator = dict(topk=topk)
test_evaluator = val_evaluator
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs)
# --auto-scale-lr: both lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(logger=dict(interval=10))
