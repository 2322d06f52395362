"""HCSC, ViT-S/16, ImageNet, 300 epochs. The optimizer is MoCo v3's (Chen et al., ICCV 2021,
Section 4), clipping and drop path DINO's; clusters, queue and views are those of
hcsc_r50_200e_in1k.py. Nobody has measured a result of it.

bash tools/dist_train.sh configs/hcsc_vits16_300e_in1k.py 8
"""

_base_ = ["hcsc_r50_200e_in1k.py", "_base_/schedules/adamw.py"]

# ---- the values that people change; all else in this file follows from them ----
num_gpus = 8
batch_size = 128  # per GPU
max_epochs = 300
warmup_epochs = 40  # MoCo until then, no clustering
lr_warmup_epochs = 40
weight_decay = 0.1
momentum = 0.01  # share of the query encoder in the key encoder, at first; all but 0 in the end
# ---------------------------------------------------------------------------------

# 8 × 128 = 1024; 1,281,167 / 1024 = 1251 steps an epoch
total_batch = num_gpus * batch_size
lr = 1.5e-4 * total_batch / 256  # 6e-4

model = dict(
    backbone=dict(
        _delete_=True,
        type="hcsc_mm.TIMMBackbone",
        model_name="vit_small_patch16_224",
        pooling="token",
        frozen_patch_embed=True,
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=384, hid_channels=2048),
)
train_dataloader = dict(batch_size=batch_size)
default_hooks = dict(
    clustering=dict(warmup_epochs=warmup_epochs),
    key_momentum=dict(type="hcsc_mm.MomentumScheduleHook", start=momentum, end=1e-5),
)
optim_wrapper = dict(
    optimizer=dict(_base_.adamw, lr=lr, weight_decay=weight_decay),
    clip_grad=_base_.clipped,
    paramwise_cfg=_base_.no_decay,
    constructor="hcsc_mm.TrainedParametersConstructor",
)
param_scheduler = [
    dict(
        type="LinearLR",
        start_factor=0.001,
        by_epoch=False,
        end=lr_warmup_epochs * 1281167 // total_batch,  # steps
    ),
    dict(type="CosineAnnealingLR", by_epoch=True),  # one multiplies the other
]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(base_batch_size=total_batch)
