"""HCSC, ResNet-18, photographs of groceries: a short pre-training, and every classification
benchmark, on two cores.

    python tools/run_stages.py configs/hcsc_r18_grocery.py

_base_/datasets/grocery.py says what data/grocery holds; --data-root DIR looks for it in
DIR/grocery.
"""

_base_ = [
    "_base_/schedules/sgd_cosine.py",
    "_base_/datasets/grocery.py",
    "_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
batch_size = 64  # on one process; divisible by num_splits
# parts of the batch with batch-norm statistics of their own, like 4 GPUs with 64 / 4 = 16 images
# each
num_splits = 4
max_epochs = 25  # short: 2640 / 64 = 41 steps an epoch
warmup_epochs = 8  # MoCo v2 until then
num_prototypes = (
    240,
    81,
    43,
)  # finest first; 2640 images / 240 = 11 each; 81 and 43 as many as classes and coarse classes
# keys of the last 512 / 64 = 8 steps; at least the batch, and well below the number of images
queue_len = 512
# With lr 0.03, temperature 0.2, momentum 0.01 and a queue of 1024 the embeddings collapse within
# 400 steps, and stay so.
lr = 0.06
temperature = 0.1
# ---------------------------------------------------------------------------------

# Images come as BGR, so grey is 0.114 blue + 0.587 green + 0.299 red
crop = [
    dict(
        type="RandomResizedCrop",
        scale=_base_.image_size,
        crop_ratio_range=(0.2, 1.0),
        backend="pillow",
    ),
    dict(
        type="RandomApply",
        prob=0.8,
        transforms=[
            dict(
                type="ColorJitter",
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.1,
                backend="cv2",
            )
        ],
    ),
    dict(
        type="RandomGrayscale", prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
    dict(
        type="GaussianBlur", magnitude_range=(0.1, 2.0), magnitude_std="inf", prob=0.5
    ),  # 'inf': σ is uniform over the range
    dict(type="RandomFlip", prob=0.5),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    drop_last=True,
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        **_base_.train_images,
        pipeline=[
            _base_.load_image,
            dict(type="MultiView", num_views=2, transforms=[crop]),
            dict(type="PackInputs"),
        ],
    ),
)

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=queue_len,
    momentum=0.004,  # share of the query encoder; four times ImageNet's, for a run of 1025 steps
    data_preprocessor=dict(
        type="SelfSupDataPreprocessor",
        mean=[123.675, 116.28, 103.53],  # of ImageNet, RGB
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type="ResNet",
        depth=18,
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=num_splits),
        zero_init_residual=False,
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=512, hid_channels=512, out_channels=128),
    head=dict(
        type="hcsc_mm.HCSCHead", temperature=temperature, rule="paper"
    ),  # 'released' would leave few of 43 prototypes as negatives
)

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=_base_.centre_crop,
    ),
    logger=dict(interval=10),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(base_batch_size=batch_size)
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_grocery.py"
    for name in ("knn", "linear", "semi", "svm", "clustering")
]
