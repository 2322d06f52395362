"""MoCo v2 with NNCLR's positives on scikit-learn's digits, with all else as in hcsc_r18_digits.py.

python tools/train.py configs/nnclr_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=0.2,
        contrast=dict(type="hcsc_mm.NearestNeighbourPositives"),
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
