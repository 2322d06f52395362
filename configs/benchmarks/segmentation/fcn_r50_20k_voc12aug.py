"""FCN, R50 with stride 8, on VOC12aug: the library's 20,000 iterations of 512-pixel crops.

tools/benchmarks/transfer.sh configs/benchmarks/segmentation/fcn_r50_20k_voc12aug.py CHECKPOINT 4
"""

_base_ = (
    "mmseg::fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py"  # 4 GPUs × 4 images, SGD, lr 0.01, SyncBN
)

model = dict(
    pretrained=None,
    # The library's FCN has three 3×3 convolutions as its stem (ResNetV1c), pre-trained weights have
    # one 7×7.
    backbone=dict(
        type="ResNet", init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone.")
    ),  # --checkpoint says which
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
