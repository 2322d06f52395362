"""FCN, R50 with stride 8, on VOC12aug: the library's 20,000 iterations of 512-pixel crops.

tools/benchmarks/transfer.sh configs/benchmarks/segmentation/fcn_r50_20k_voc12aug.py CHECKPOINT 4
"""

# 4 GPUs × 4 images, SGD, lr 0.01, SyncBN
_base_ = [
    "mmseg::fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py",
    "../../_base_/models/segmentation_r50.py",
]

model = _base_.plain_stem
auto_scale_lr = dict(enable=False, base_batch_size=16)
