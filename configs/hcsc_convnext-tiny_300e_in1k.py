"""HCSC, ConvNeXt-T, ImageNet, 300 epochs. The optimizer is that of hcsc_vits16_300e_in1k.py, with
the decay of ConvNeXt's own training (Liu et al., CVPR 2022, Table 5). Nobody has measured a result
of it.

bash tools/dist_train.sh configs/hcsc_convnext-tiny_300e_in1k.py 8
"""

_base_ = ["hcsc_vits16_300e_in1k.py"]

# ---- the values that differ ----
weight_decay = 0.05
# --------------------------------

model = dict(
    backbone=dict(
        _delete_=True,
        type="hcsc_mm.TIMMBackbone",
        model_name="convnext_tiny",
        pooling="mean",
        drop_path_rate=0.1,
    ),
    neck=dict(in_channels=768),
)
optim_wrapper = dict(optimizer=dict(weight_decay=weight_decay))
