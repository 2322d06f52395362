"""ResNet-50 on images in ImageNet's colours."""

model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],  # 255 × (0.485, 0.456, 0.406), RGB
        std=[58.395, 57.12, 57.375],  # 255 × (0.229, 0.224, 0.225)
        to_rgb=True,  # images are loaded as BGR
    ),
    backbone=dict(type="ResNet", depth=50),
)
