"""UPerNet, ViT-S/16 with mmseg's MultiLevelNeck, on ADE20K: the library's 160,000 iterations of
512-pixel crops, as for its DeiT-S.

tools/benchmarks/transfer.sh configs/benchmarks/segmentation/upernet_vits16_160k_ade20k.py
CHECKPOINT 8
"""

# 8 GPUs × 2 images, AdamW, lr 6e-5, SyncBN in the heads
_base_ = [
    "mmseg::vit/vit_deit-s16_mln_upernet_8xb2-160k_ade20k-512x512.py",
    "../../_base_/models/dense_vits16.py",
]

model = dict(
    pretrained=None,
    # whole images in tests: sides that patches of 16 pixels fill
    data_preprocessor=dict(test_cfg=dict(size_divisor=16)),
    backbone=dict(**_base_.vits16, out_indices=(2, 5, 8, 11)),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
