"""ImageNet, two crops of each image (query, key) or six (and four local ones).

The config that uses a pipeline puts loading before it.
"""

_base_ = ["pretraining.py"]

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
        dict(_base_.view_crop, scale=size, crop_ratio_range=ratios),
        *_base_.colours_blur_and_flip,
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
    dict(_base_.shorter_edge, scale=256),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackInputs"),
]

train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    dataset=dict(type="hcsc_mm.ImageFolder", data_root="data/imagenet/train"),
)
