"""HCSC with a small ConvNeXt on scikit-learn's handwritten digits; all else as in
hcsc_r18_digits.py.

python tools/run_stages.py configs/hcsc_convnext_digits.py --stages pretrain,knn
"""

_base_ = ["hcsc_r18_digits.py", "_base_/schedules/adamw.py"]

# ---- the values that people change; all else in this file follows from them ----
lr = 1e-3
weight_decay = 0.05
lr_warmup = 220  # steps: 10 epochs of 22
max_epochs = 120
dims = (16, 32, 64, 128)  # channels of the stages
# ---------------------------------------------------------------------------------

model = dict(
    backbone=dict(
        _delete_=True,
        type="hcsc_mm.TIMMBackbone",
        model_name="convnext_tiny",  # of which everything below changes the sizes
        patch_size=1,  # 16 → 16 → 8 → 4 → 2 pixels
        depths=(1, 1, 2, 1),
        dims=dims,
        pooling="mean",
        drop_path_rate=0.05,
    ),
    neck=dict(in_channels=dims[-1]),
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
