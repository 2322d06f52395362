"""FCN, R50 with stride 8, on Cityscapes: the library's 40,000 iterations of 769-pixel crops.

tools/benchmarks/transfer.sh configs/benchmarks/segmentation/fcn_r50_40k_cityscapes.py CHECKPOINT 4
"""

# 4 GPUs × 2 images, SGD, lr 0.01, SyncBN
_base_ = [
    "mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-769x769.py",
    "../../_base_/models/segmentation_r50.py",
]

model = _base_.plain_stem
auto_scale_lr = dict(enable=False, base_batch_size=8)
