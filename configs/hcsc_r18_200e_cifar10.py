"""HCSC, ResNet-18, CIFAR-10, 200 epochs on one GPU.

    python tools/train.py configs/hcsc_r18_200e_cifar10.py

The data set is downloaded (163 MB) into data_root if it is not there. Optimiser, queue,
temperature, momentum and augmentations are those of MoCo's CIFAR-10 demo at half its batch; the
projection is HCSC's. The numbers of prototypes and the warm-up are scaled from the ImageNet recipe,
not tuned.
"""

_base_ = ["_base_/schedules/sgd_cosine.py", "_base_/default_runtime.py"]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/cifar10"
batch_size = 256  # on one GPU
max_epochs = 200
warmup_epochs = 20  # a tenth of the epochs, as on ImageNet; MoCo v2 until then
num_prototypes = (
    300,
    100,
    10,
)  # finest first; 50,000 images / 300 = 167 each (ImageNet: 427); 10 as many as classes
queue_len = 4096  # keys of the last 4096 / 256 = 16 steps; a longer one did not help MoCo here
# parts of the batch with batch-norm statistics of their own, like 8 GPUs with 256 / 8 = 32 images
# each
num_splits = 8
# ---------------------------------------------------------------------------------

lr = (
    0.03 * batch_size / 256
)  # 0.03 × 256 / 256 = 0.03; 50,000 / 256 = 195 steps an epoch, the rest is dropped

# CIFAR's files hold RGB; everything below, as everywhere else, takes BGR
to_bgr = [dict(type="NumpyToPIL", to_rgb=False), dict(type="PILToNumpy", to_bgr=True)]
crop = [
    dict(type="RandomResizedCrop", scale=32, backend="pillow"),  # 0.08 to 1 of the area
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
    dict(type="RandomFlip", prob=0.5),
]  # no blur: 32 pixels have no detail to lose
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
        type="CIFAR10",
        data_root=data_root,
        split="train",
        pipeline=[
            *to_bgr,
            dict(type="MultiView", num_views=2, transforms=[crop]),
            dict(type="PackInputs"),
        ],
    ),
)

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=queue_len,
    # share of the query encoder; ten times ImageNet's, for 195 × 200 = 39,000 steps instead of a
    # million
    momentum=0.01,
    data_preprocessor=dict(
        type="SelfSupDataPreprocessor",
        mean=[125.307, 122.961, 113.8575],  # of the training images, RGB
        std=[51.5865, 50.847, 51.255],
        to_rgb=True,
    ),
    backbone=dict(
        type="ResNet_CIFAR",  # 3 × 3 stem without stride or pooling, for 32 pixels
        depth=18,
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=num_splits),
        zero_init_residual=False,
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=512, hid_channels=512, out_channels=128),
    # 'released' takes the prototypes of the whole batch out of the negatives: 256 images would
    # leave few of 300 and none of 10
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.1, rule="paper"),
)

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=[*to_bgr, dict(type="PackInputs")],  # the whole image: nothing to crop
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=5e-4))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(
    base_batch_size=batch_size
)  # --auto-scale-lr: lr × real total batch / this one
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_cifar10.py" for name in ("knn", "linear", "clustering")
]
