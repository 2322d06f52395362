"""ImageNet, two crops of each image (query, key) or six (and four local ones).

The config that uses a pipeline puts loading before it.
"""

# Images come as BGR, so grey is 0.114 blue + 0.587 green + 0.299 red. Pillow resizes, like the
# released code: it smooths when it shrinks.
colour_and_flip = [
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
crop_sizes = (224, 192, 160, 128, 96)  # query and key, then the local crops
crop_ratio_ranges = (
    (0.2, 1.0),
    (0.172, 0.86),
    (0.143, 0.715),
    (0.114, 0.571),
    (0.086, 0.429),
)  # (0.2, 1.0) × size / 224
crops = [
    [
        dict(type="RandomResizedCrop", scale=size, crop_ratio_range=ratios, backend="pillow"),
        *colour_and_flip,
    ]
    for size, ratios in zip(crop_sizes, crop_ratio_ranges, strict=True)
]
two_crops = [
    dict(type="MultiView", num_views=2, transforms=crops[:1]),  # query, key
    dict(type="PackInputs"),
]
six_crops = [
    dict(
        type="MultiView", num_views=[2, 1, 1, 1, 1], transforms=crops
    ),  # HCSC takes them in this order: query, key, local crops
    dict(type="PackInputs"),
]
# For the …_devaug_… configs: workers deliver whole images, hcsc_mm.DeviceAugmentation makes views
# with the same colours, blur and flip. 512 pixels leave a crop with 0.2 of the area √0.2 × 512 =
# 229 of them, more than its view has.
whole_image = [
    dict(type="hcsc_mm.WholeImage", short_side=512, long_side=1024),
    dict(type="PackInputs"),
]
device_views = [
    dict(size=size, scale=ratios)
    for size, ratios in zip(crop_sizes, crop_ratio_ranges, strict=True)
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
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(type="hcsc_mm.ImageFolder", data_root="data/imagenet/train"),
)
