"""HCSC, ResNet-18, any folder of images, without labels, on one GPU or CPU. The numbers suit a few
thousand images.

    python tools/train.py configs/hcsc_r18_200e_folder.py --cfg-options data_root=/my/photos

Every value below can be changed so, and what follows from it follows: image_size=64 max_epochs=20
num_prototypes=100,30,10 (docs/configs.md).
"""

_base_ = [
    "_base_/models/hcsc_r18.py",
    "_base_/datasets/pretraining.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

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
# finest first, at most as many as images; 3,000 images / 300 = 10 each
num_prototypes = (300, 100, 30)
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
# steps in which the learning rate rises from nearly 0: without them the embeddings of 2,640
# photographs collapse within 200 steps (docs/numerical_health.md)
lr_warmup = 100

load = dict(type="hcsc_mm.LoadImage", unreadable=unreadable, white=white)
crop = [dict(_base_.view_crop, scale=image_size), *_base_.colours_blur_and_flip]
two_crops = [dict(type="MultiView", num_views=2, transforms=[crop]), dict(type="PackInputs")]
centre_crop = [
    dict(_base_.shorter_edge, scale=image_size * 8 // 7),  # 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    dataset=dict(type="hcsc_mm.ImageFolder", data_root=data_root, pipeline=[load, *two_crops]),
)
model = dict(queue_len=queue_len, backbone=dict(norm_cfg=dict(num_splits=num_splits)))
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
        pipeline=[load, *centre_crop],
    ),
    logger=dict(interval=10),
    unreadable=dict(max_share=max_unreadable),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, end=lr_warmup),
    dict(type="CosineAnnealingLR", by_epoch=True),  # one multiplies the other
]
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
# --auto-scale-lr: lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=batch_size)
# tools/run_stages.py measures these after pre-training, on labelled photographs in
# data/labelled_photos
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_folder.py"
    for name in ("knn", "linear", "semi", "svm", "clustering")
]
