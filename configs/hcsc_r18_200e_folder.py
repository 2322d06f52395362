"""HCSC, ResNet-18, any folder of images, without labels, on one GPU or CPU. The numbers suit a few
thousand images.

    python tools/train.py configs/hcsc_r18_200e_folder.py --cfg-options
    train_dataloader.dataset.data_root=/my/photos

To change more than the folder, copy this file and edit the values at its top. On the command line a
value is changed where it is used:

    data_root         train_dataloader.dataset.data_root=/my/photos
    batch_size        train_dataloader.batch_size=32 optim_wrapper.optimizer.lr=0.015
    max_epochs        train_cfg.max_epochs=20
    warmup_epochs     default_hooks.clustering.warmup_epochs=4
    num_prototypes    default_hooks.clustering.num_prototypes="(100,30,10)"
    image_size 64     train_dataloader.dataset.pipeline.1.transforms.0.0.scale=64
                      default_hooks.clustering.pipeline.1.scale=73
                      default_hooks.clustering.pipeline.2.crop_size=64
    queue_len         model.queue_len=2048
    unreadable        train_dataloader.dataset.pipeline.0.unreadable=skip
    default_hooks.clustering.pipeline.0.unreadable=skip max_unreadable
    default_hooks.unreadable.max_share=0.05
    white             train_dataloader.dataset.pipeline.0.white=4095
                      default_hooks.clustering.pipeline.0.white=4095
"""

_base_ = ["_base_/schedules/sgd_cosine.py", "_base_/default_runtime.py"]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/photos"  # images at any depth, in any number of folders
# for images of 64 pixels or fewer set the backbone's type to ResNet_CIFAR, whose stem does not
# shrink them
image_size = 224
batch_size = 64  # on one process; divisible by num_splits
# parts of the batch with batch-norm statistics of their own, like 4 GPUs with 64 / 4 = 16 images
# each
num_splits = 4
max_epochs = 200
warmup_epochs = 20  # a tenth of the epochs, as on ImageNet; MoCo v2 until then
num_prototypes = (
    300,
    100,
    30,
)  # finest first, at most as many as images; 3,000 images / 300 = 10 each
# keys of the last 1024 / 64 = 16 steps; at least the batch, and below the number of images
queue_len = 1024
unreadable = "stop"  # 'skip' goes on with another image, and counts
# value of white in files of more than 8 bits, such as 4095 of a 12-bit microscope; "auto" finds it
white = None  # in a sample of the images; None: 65535 of 16 bits
max_unreadable = 0.01  # with 'skip': more than this share of the images stops the run all the same
# ---------------------------------------------------------------------------------

# 0.12 × 64 / 256 = 0.03. Four times ImageNet's 0.03 per 256 images: 3,000 / 64 = 46 steps an epoch
# are 9,200 in all, not a million. With 100,000 images and more take 0.03 * batch_size / 256.
lr = 0.12 * batch_size / 256
load = dict(type="hcsc_mm.LoadImage", unreadable=unreadable, white=white)

# Images come as BGR, so grey is 0.114 blue + 0.587 green + 0.299 red
crop = [
    dict(type="RandomResizedCrop", scale=image_size, crop_ratio_range=(0.2, 1.0), backend="pillow"),
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
    num_workers=4,
    drop_last=True,
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="hcsc_mm.ImageFolder",
        data_root=data_root,
        pipeline=[
            load,
            dict(type="MultiView", num_views=2, transforms=[crop]),
            dict(type="PackInputs"),
        ],
    ),
)

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=queue_len,
    momentum=0.01,  # share of the query encoder; ten times ImageNet's, for a hundredth of its steps
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
    # 'released' takes the prototypes of the whole batch out of the negatives: 64 images would leave
    # few of 100 and hardly one of 30
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.2, rule="paper"),
)
# With labels beside the images (train/<class>/), a linear classifier can show how good the features
# are while they are learnt, without an effect on them:
# train_dataloader.dataset.type=hcsc_mm.LabelledImages
# default_hooks.probe.type=hcsc_mm.OnlineLinearProbeHook default_hooks.probe.in_channels=512; with
# images to test on, see docs/evaluation.md.

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=[
            load,
            dict(
                type="ResizeEdge", scale=image_size * 8 // 7, edge="short", backend="pillow"
            ),  # 256 for 224, as on ImageNet
            dict(type="CenterCrop", crop_size=image_size),
            dict(type="PackInputs"),
        ],
    ),
    logger=dict(interval=10),
    unreadable=dict(max_share=max_unreadable),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(
    base_batch_size=batch_size
)  # --auto-scale-lr: lr × real total batch / this one
# tools/run_stages.py measures these after pre-training, on labelled photographs in
# data/labelled_photos
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_folder.py"
    for name in ("knn", "linear", "semi", "svm", "clustering")
]
