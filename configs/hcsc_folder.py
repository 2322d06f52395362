"""HCSC on any folder of images, without labels: the config fits itself to them and to the machine.

    python tools/train.py configs/hcsc_folder.py --cfg-options data_root=/my/photos

From the number of images, their sizes and the device follow the values below; the start of the log
says how. Each can be set by hand, here or on the command line, and then stays: image_size=96
max_epochs=50 (docs/recipe.md).
"""

_base_ = [
    "_base_/models/hcsc_r18.py",
    "_base_/datasets/pretraining.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

data_root = "data/photos"  # images at any depth, in any number of folders
unreadable = "stop"  # 'skip' goes on with another image, and counts
white = None  # see hcsc_r18_200e_folder.py
max_unreadable = 0.01  # with 'skip': more than this share of the images stops the run all the same

# ---- what the recipe finds; here as for 2,640 photographs of 128 pixels on two cores ----
recipe = dict(type="hcsc_mm.fit_to_images")
image_size = 64
short_side = 144  # larger images are shrunk to it before views are cut
long_side = 288
small_stem = False  # ResNet_CIFAR, whose stem does not shrink
base_channels = 32  # of the ResNet-18; 64 is the usual one
blur_prob = 0.5
batch_size = 64  # on one process; divisible by num_splits
num_splits = 4  # parts of the batch with batch-norm statistics of their own
num_workers = 1
max_epochs = 25
every_epochs = 1  # from one clustering, and one checkpoint, to the next
lr_warmup = 100  # steps
warmup_epochs = 3  # MoCo v2 until then
grace_epochs = 8  # in which no collapse stops the run
lr = 0.03
weight_decay = 1e-4
momentum = 0.01  # share of the query encoder at the start
momentum_end = 0.001
queue_len = 1024
temperature = 0.2
num_prototypes = (264, 88, 29)  # finest first
seeding = "k-means++"  # what a clustering begins with; from trained weights "ward"
# -----------------------------------------------------------------------------------------

whole_size = image_size  # pixels of whole images, which are clustered and embedded
load = dict(type="hcsc_mm.LoadImage", unreadable=unreadable, white=white)
whole_image = dict(type="hcsc_mm.WholeImage", short_side=short_side, long_side=long_side)
centre_crop = [
    dict(_base_.shorter_edge, scale=whole_size * 8 // 7),
    dict(type="CenterCrop", crop_size=whole_size),
    dict(type="PackInputs"),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    collate_fn=dict(type="hcsc_mm.pad_collate"),
    dataset=dict(
        type="hcsc_mm.ImageFolder",
        data_root=data_root,
        memory=dict(short_side=short_side, long_side=long_side),  # decoded once in a run
        pipeline=[load, whole_image, dict(type="PackInputs")],
    ),
)

view = dict(size=image_size, scale=(0.2, 1.0), blur_prob=blur_prob)
features = 8 * base_channels
model = dict(
    queue_len=queue_len,
    momentum=momentum,
    data_preprocessor=dict(type="hcsc_mm.DeviceAugmentation", views=[view, view]),
    backbone=dict(
        type="ResNet_CIFAR" if small_stem else "ResNet",
        strides=(2, 2, 2, 1) if small_stem else (1, 2, 2, 2),
        stem_channels=base_channels,
        base_channels=base_channels,
        norm_cfg=dict(num_splits=num_splits),
    ),
    neck=dict(
        in_channels=features,
        hid_channels=features,
        # few steps teach more so, and keep more dimensions; the paper's projection has None. Of two
        # images in a part it would leave nothing but a sign
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm1d", num_splits=num_splits)
        if batch_size >= 4 * num_splits
        else None,
    ),
    head=dict(temperature=temperature),
)

default_hooks = dict(
    checkpoint=dict(interval=every_epochs),
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        seeding=seeding,
        warmup_epochs=warmup_epochs,
        interval=every_epochs,
        pipeline=[load, *centre_crop],
    ),
    collapse=dict(action="stop", grace_epochs=grace_epochs),
    key_momentum=dict(type="hcsc_mm.MomentumScheduleHook", start=momentum, end=momentum_end),
    logger=dict(interval=10),
    unreadable=dict(max_share=max_unreadable),
)
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=weight_decay))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, end=lr_warmup),
    dict(type="CosineAnnealingLR", by_epoch=True),  # one multiplies the other
]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=batch_size)
# tools/run_stages.py measures these after pre-training, on labelled photographs
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_folder.py"
    for name in ("knn", "linear", "semi", "svm", "clustering")
]
