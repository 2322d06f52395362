"""MoCo v2 with transformed features on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/ft_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(head=dict(contrast=dict(type="hcsc_mm.FeatureTransformation")))
default_hooks = dict(similarity=dict(type="hcsc_mm.SimilarityHook"))  # the paper's curves
