"""HCSC on scikit-learn's handwritten digits: a few minutes on two cores, no download.

python tools/quick_start.py                         the comparison of raw pixels, untrained, MoCo v2
and HCSC python tools/train.py configs/hcsc_r18_digits.py    HCSC alone
"""

_base_ = [
    "_base_/datasets/pretraining.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
batch_size = 64  # divisible by num_splits
# parts of the batch with batch-norm statistics of their own, like 4 GPUs with 64 / 4 = 16 images
# each
num_splits = 4
max_epochs = 120
warmup_epochs = 40  # MoCo v2 until then
num_prototypes = (60, 30, 10)  # finest first; 1437 scans / 60 = 24 each; 10 as many as digits
queue_len = (
    512  # keys of the last 512 / 64 = 8 steps; at least the batch, and well below the 1437 scans
)
lr = 0.06  # as large as trains reliably: at 0.12 the features collapse
# ---------------------------------------------------------------------------------

# 1437 / 64 = 22 steps an epoch, the rest is dropped; 120 × 22 = 2640 steps.
image_size = 16  # 8 × 8 scans, enlarged so that turning and shearing does not blot them
view = [
    dict(type="Resize", scale=image_size, interpolation="bicubic"),
    dict(type="NumpyToPIL"),
    dict(
        type="torchvision/RandomAffine",
        degrees=15,
        translate=(0.12, 0.12),  # of the size: 2 pixels
        scale=(0.8, 1.2),
        shear=12,
        interpolation="bilinear",
        fill=0,
    ),
    dict(type="PILToNumpy"),
    dict(
        type="RandomApply",
        prob=0.8,
        transforms=[dict(type="ColorJitter", brightness=0.4, contrast=0.4)],
    ),
]  # no flip: a mirrored digit is another sign
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(
        type="hcsc_mm.Digits",
        split="train",
        pipeline=[dict(type="MultiView", num_views=2, transforms=[view]), dict(type="PackInputs")],
    ),
)

model = dict(
    type="hcsc_mm.HCSC",
    queue_len=queue_len,
    momentum=0.004,  # share of the query encoder; four times ImageNet's, for a run of 2640 steps
    data_preprocessor=dict(
        type="SelfSupDataPreprocessor", mean=[78.0] * 3, std=[96.0] * 3
    ),  # of the scans
    backbone=dict(
        type="ResNet_CIFAR",
        depth=18,
        stem_channels=16,  # a quarter of the usual 64
        base_channels=16,
        strides=(2, 2, 2, 1),  # 16 → 8 → 4 → 2 → 2 pixels
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm2d", num_splits=num_splits),
    ),
    neck=dict(type="hcsc_mm.ProjectionNeck", in_channels=128, hid_channels=128, out_channels=64),
    # 'released' takes the prototypes of the whole batch out of the negatives: 64 images would leave
    # none of 60
    head=dict(type="hcsc_mm.HCSCHead", temperature=0.2, rule="paper"),
)

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=[
            dict(type="Resize", scale=image_size, interpolation="bicubic"),
            dict(type="PackInputs"),
        ],
    ),
    logger=dict(interval=22),
)
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=5e-4))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(base_batch_size=batch_size)
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_digits.py"
    for name in ("knn", "linear", "svm", "fewshot", "clustering", "gcd")
]
