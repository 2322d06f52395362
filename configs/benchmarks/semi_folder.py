"""Fine-tuning with few labels, any folder with train/<class>/ and val/<class>/, on one GPU or CPU.

    python tools/train.py configs/benchmarks/semi_folder.py --checkpoint FILE.pth

To change more than a value or two, copy this file and edit its top. On the command line a value is
changed where it is used:

    data_root       train_dataloader.dataset.data_root=/my/photos
    val_dataloader.dataset.data_root=/my/photos
                    test_dataloader.dataset.data_root=/my/photos
    num_classes     model.head.num_classes=12
    per_class       train_dataloader.dataset.per_class=5
    seed            train_dataloader.dataset.seed=1
    batch_size 32   train_dataloader.batch_size=32 optim_wrapper.optimizer.lr=0.000625
    max_epochs      train_cfg.max_epochs=35
    milestones      param_scheduler.0.milestones="[15,30]"
    ResNet-18       model.backbone.depth=18 model.head.in_channels=512
    lists           train_dataloader.dataset.ann_file=train.txt
    train_dataloader.dataset.data_prefix=.
                    val_dataloader.dataset.ann_file=val.txt val_dataloader.dataset.data_prefix=.
                    test_dataloader.dataset.ann_file=val.txt test_dataloader.dataset.data_prefix=.
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

lr = (
    0.005 * batch_size / 256
)  # of the backbone; the released recipe for 10 % of ImageNet: 0.005 × 64 / 256 = 0.00125
head_lr = 0.02 * batch_size / 256
topk = (1, 5) if num_classes >= 5 else (1,)
load = dict(type="hcsc_mm.LoadImage")
train_pipeline = [
    load,
    dict(type="RandomResizedCrop", scale=image_size, backend="pillow"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
test_pipeline = [
    load,
    dict(
        type="ResizeEdge", scale=image_size * 8 // 7, edge="short", backend="pillow"
    ),  # 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]

model = dict(head=dict(num_classes=num_classes))
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    dataset=dict(data_root=data_root, per_class=per_class, seed=seed, pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=4, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = dict(num_workers=4, dataset=dict(data_root=data_root, pipeline=test_pipeline))
val_evaluator = dict(topk=topk)
test_evaluator = dict(topk=topk)
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=milestones, gamma=0.1)]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(
    base_batch_size=batch_size
)  # --auto-scale-lr: both lr × real total batch / this one
default_hooks = dict(logger=dict(interval=10))
