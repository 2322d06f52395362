"""HCSC with a small vision transformer on scikit-learn's handwritten digits; all else as in
hcsc_r18_digits.py.

python tools/run_stages.py configs/hcsc_vit_digits.py --stages pretrain,knn
"""

_base_ = ["hcsc_r18_digits.py", "_base_/schedules/adamw.py"]

# ---- the values that people change; all else in this file follows from them ----
lr = 5e-4
weight_decay = 0.05
lr_warmup = 220  # steps: 10 epochs of 22
max_epochs = 120
embed_dim = 64  # channels of a token
# ---------------------------------------------------------------------------------

model = dict(
    backbone=dict(
        _delete_=True,
        type="hcsc_mm.TIMMBackbone",
        model_name="vit_tiny_patch16_224",  # of which everything below changes the sizes
        img_size=16,
        patch_size=4,  # 4 × 4 patches
        embed_dim=embed_dim,
        depth=3,
        num_heads=2,
        pooling="mean",
        frozen_patch_embed=True,
        drop_path_rate=0.05,
    ),
    neck=dict(in_channels=embed_dim),
)
optim_wrapper = dict(
    optimizer=dict(_base_.adamw, lr=lr, weight_decay=weight_decay),
    clip_grad=_base_.clipped,
    paramwise_cfg=_base_.no_decay,
    constructor="hcsc_mm.TrainedParametersConstructor",
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, end=lr_warmup),
    dict(type="CosineAnnealingLR", by_epoch=True),  # one multiplies the other
]
train_cfg = dict(max_epochs=max_epochs)
