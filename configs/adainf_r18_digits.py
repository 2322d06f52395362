"""MoCo v2 on the digits and as many drawn from a density of them, with weaker views (AdaInf). All
else as hcsc_r18_digits.py, and as many steps.

python tools/train.py configs/adainf_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

# ---- the values that differ ----
real_share = 1 / 2  # of the samples
# --------------------------------

# As in adainf_r18_200e_folder.py: colours change less often. Crops reach less far, too: at a share
# of 1/3 the released code for CIFAR leaves at least 0.2 of the area instead of 0.08.
strength = 1 - 0.75 * (1 - real_share)
reach = 1 - 0.2 * (1 - real_share)

inflated = dict(
    _delete_=True,
    type="hcsc_mm.InflatedImages",
    images=_base_.train_dataloader.dataset,
    real_share=real_share,
)
if isinstance(_base_.view, dict):  # of other data in a comparison, which is cut on the device
    smallest, _ = _base_.view["scale"]
    weaker = dict(
        _base_.view,
        scale=(1 - (1 - smallest) * reach, 1.0),
        jitter_prob=_base_.view.get("jitter_prob", 0.8) * strength,
    )
    model = dict(data_preprocessor=dict(views=[weaker, weaker]))
else:
    enlarge, to_pil, affine, to_array, jitter = _base_.view
    shift, _ = affine["translate"]
    smallest, largest = affine["scale"]
    affine = dict(
        affine,
        degrees=affine["degrees"] * reach,
        translate=(shift * reach, shift * reach),
        scale=(1 - (1 - smallest) * reach, 1 + (largest - 1) * reach),
        shear=affine["shear"] * reach,
    )
    weaker = [enlarge, to_pil, affine, to_array, dict(jitter, prob=jitter["prob"] * strength)]
    inflated["pipeline"] = [
        dict(type="MultiView", num_views=2, transforms=[weaker]),
        dict(type="PackInputs"),
    ]
train_dataloader = dict(dataset=inflated)
train_cfg = dict(max_epochs=round(_base_.train_cfg.max_epochs * real_share))
