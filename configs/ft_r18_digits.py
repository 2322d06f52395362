"""MoCo v2 with transformed features on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/ft_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=0.2,
        contrast=dict(type="hcsc_mm.FeatureTransformation"),
    ),
)
default_hooks = dict(
    clustering=None,  # no clusters, ever
    similarity=dict(type="hcsc_mm.SimilarityHook"),  # the paper's curves
)
