"""HCSC on scikit-learn's handwritten digits: a few minutes on two cores, no download.

    python tools/quick_start.py            the whole comparison: raw pixels, untrained, MoCo v2, HCSC
    python tools/train.py configs/hcsc_r18_digits.py     HCSC alone
"""

_base_ = ['_base_/default_runtime.py']

# ---- the values that people change ----
max_epochs = 80
batch_size = 64
base_lr = 0.12
num_prototypes = (60, 30, 10)  # finest first; the last level has as many as there are digits
warmup_epochs = 30  # MoCo v2 until then
queue_len = 1408  # 22 steps per epoch × 64: the last epoch
image_size = 16
# ----------------------------------------

# 1437 training scans / 64 = 22 steps an epoch, the rest is dropped
load = []
view = [
    dict(type='RandomResizedCrop', scale=image_size, crop_ratio_range=(0.5, 1.0), aspect_ratio_range=(0.8, 1.25), interpolation='bilinear'),
    dict(type='RandomApply', prob=0.8, transforms=[dict(type='ColorJitter', brightness=0.4, contrast=0.4)]),
    dict(type='RandomApply', prob=0.8, transforms=[dict(type='Rotate', angle=15.0, random_negative_prob=0.5)]),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=0,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='hcsc_mm.Digits',
        split='train',
        pipeline=[dict(type='MultiView', num_views=2, transforms=[view]), dict(type='PackInputs')],
    ),
)
extract_pipeline = [dict(type='Resize', scale=image_size), dict(type='PackInputs')]

model = dict(
    type='hcsc_mm.HCSC',
    queue_len=queue_len,
    momentum=0.01,
    data_preprocessor=dict(mean=[77.9] * 3, std=[95.9] * 3),
    backbone=dict(
        type='ResNet_CIFAR',
        depth=18,
        stem_channels=16,
        base_channels=16,
        norm_cfg=dict(type='hcsc_mm.SplitBatchNorm2d', num_splits=4),
    ),
    neck=dict(type='hcsc_mm.ProjectionNeck', in_channels=128, hid_channels=128, out_channels=64),
    head=dict(type='hcsc_mm.HCSCHead', temperature=0.2, rule='paper'),
)
custom_hooks = [
    dict(
        type='hcsc_mm.HierarchicalClusteringHook',
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=extract_pipeline,
    ),
]

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=base_lr, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=max_epochs, by_epoch=True, begin=0, end=max_epochs)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
default_hooks = dict(logger=dict(interval=22), checkpoint=dict(interval=20, max_keep_ckpts=1))
