"""MoCo v2 with CACR's attraction and repulsion on scikit-learn's digits, all else as
hcsc_r18_digits.py.

python tools/train.py configs/cacr_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        contrast=dict(type="hcsc_mm.AttractionAndRepulsion", repulsion_scale=2.0),
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
