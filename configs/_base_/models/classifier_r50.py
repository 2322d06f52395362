"""ResNet-50 with a new linear classifier, all of it trained: for fine-tuning on few labels. Plain
mmpretrain.
"""

_base_ = ["r50.py"]

model = dict(
    type="ImageClassifier",
    # tools/train.py --checkpoint FILE
    backbone=dict(init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone.")),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(type="LinearClsHead", num_classes=1000, in_channels=2048),
)
