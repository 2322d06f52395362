"""What BYOL (mmpretrain's model) on the digits and HIRL on it share; all else as in
hcsc_r18_digits.py.
"""

_base_ = ["../hcsc_r18_digits.py"]

width = _base_.model.neck.in_channels
projection = dict(
    type="NonLinearNeck",
    in_channels=width,
    hid_channels=2 * width,
    out_channels=width,
    num_layers=2,
    with_bias=True,
    with_last_bn=False,
    with_avg_pool=True,
    norm_cfg=dict(type="BN1d"),
)
model = dict(
    _delete_=True,
    type="BYOL",
    base_momentum=0.01,
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(_base_.model.backbone, norm_cfg=dict(type="BN"))
    if "norm_cfg" in _base_.model.backbone  # a network of timm has its own norms
    else _base_.model.backbone,
    neck=projection,
    head=dict(
        type="LatentPredictHead",
        loss=dict(type="CosineSimilarityLoss"),
        predictor=dict(projection, with_avg_pool=False),
    ),
)
default_hooks = dict(key_momentum=None)  # of a key encoder, where the data's config has one
