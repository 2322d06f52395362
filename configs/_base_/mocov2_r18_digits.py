"""What MoCo v2 on the digits and all contrasts on it share; all else as in hcsc_r18_digits.py."""

_base_ = ["../hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=_base_.model.head.temperature,
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
