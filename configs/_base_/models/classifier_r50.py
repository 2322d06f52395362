"""ResNet-50 with a new linear classifier, all of it trained: for fine-tuning on few labels. Plain
mmpretrain.
"""

model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],  # 255 × (0.485, 0.456, 0.406), RGB
        std=[58.395, 57.12, 57.375],  # 255 × (0.229, 0.224, 0.225)
        to_rgb=True,  # images are loaded as BGR
    ),
    backbone=dict(
        type="ResNet",
        depth=50,
        init_cfg=dict(
            type="Pretrained", checkpoint=None, prefix="backbone."
        ),  # tools/train.py --checkpoint FILE
    ),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="LinearClsHead", num_classes=1000, in_channels=2048),
)
