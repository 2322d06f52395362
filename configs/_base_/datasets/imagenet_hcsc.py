"""ImageNet, two crops of each image: query and key. Loading is put before these pipelines by the config that uses them."""

# Images come as BGR, so grey is 0.114 blue + 0.587 green + 0.299 red. Pillow resizes, like the released code: it smooths when it shrinks.
colour_and_flip = [
    dict(type="RandomApply", prob=0.8, transforms=[dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)]),
    dict(type="RandomGrayscale", prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)),
    dict(type="GaussianBlur", magnitude_range=(0.1, 2.0), magnitude_std="inf", prob=0.5),  # 'inf': σ is uniform over the range
    dict(type="RandomFlip", prob=0.5),
]
crop = dict(type="RandomResizedCrop", scale=224, crop_ratio_range=(0.2, 1.0), backend="pillow")
two_crops = [
    dict(type="MultiView", num_views=2, transforms=[[crop, *colour_and_flip]]),  # query, key
    dict(type="PackInputs"),
]
centre_crop = [
    dict(type="ResizeEdge", scale=256, edge="short", backend="pillow"),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackInputs"),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    drop_last=True,
    persistent_workers=False,  # with seed_worker: augmentations differ between epochs and come back on resume
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="hcsc_mm.ImageFolder", data_root="data/imagenet/train"),
)
