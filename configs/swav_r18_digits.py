"""SwAV (mmpretrain's model) on scikit-learn's handwritten digits, all else as hcsc_r18_digits.py.

    python tools/train.py configs/swav_r18_digits.py

Two views as all peers have, no local crops. ε and the number of prototypes are those that helped
others on small sets (facebookresearch/swav#37, #118): 0.03, and about ten for each class.
"""

_base_ = ["hcsc_r18_digits.py"]

# ---- the values that people change ----
swav_prototypes = sum(_base_.default_hooks.clustering.num_prototypes)  # 60 + 30 + 10
epsilon = 0.03  # of Sinkhorn-Knopp
swav_temperature = 0.1
frozen_iters = 50  # steps in which the prototypes stay as they are
# ---------------------------------------

embedding = _base_.model.neck.out_channels
model = dict(
    _delete_=True,
    type="SwAV",
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(_base_.model.backbone, norm_cfg=dict(type="BN"))
    if "norm_cfg" in _base_.model.backbone  # a network of timm has its own norms
    else _base_.model.backbone,
    neck=dict(
        type="SwAVNeck",
        in_channels=_base_.model.neck.in_channels,
        hid_channels=_base_.model.neck.hid_channels,
        out_channels=embedding,
        with_avg_pool=True,
    ),
    head=dict(
        type="SwAVHead",
        loss=dict(
            type="SwAVLoss",
            feat_dim=embedding,
            num_prototypes=swav_prototypes,
            epsilon=epsilon,
            temperature=swav_temperature,
            num_crops=[2],
        ),
    ),
)
default_hooks = dict(
    clustering=None,
    key_momentum=None,  # of a key encoder, where the data set's config schedules it
    swav=dict(
        type="SwAVHook",
        batch_size=_base_.train_dataloader.batch_size,
        feat_dim=embedding,
        frozen_layers_cfg=dict(prototypes=frozen_iters),
    ),
)
