"""MoCo v2 with transformed features on scikit-learn's digits; but for the projection's norms as
hcsc_r18_digits.py.

python tools/train.py configs/ft_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(
    # Drawn-apart pairs pull all embeddings to what they have in common, and the features collapse;
    # a norm after the last layer takes that out (docs/methods.md).
    neck=dict(
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm1d", num_splits=_base_.num_splits),
        norm_last=True,
    ),
    head=dict(contrast=dict(type="hcsc_mm.FeatureTransformation")),
)
default_hooks = dict(similarity=dict(type="hcsc_mm.SimilarityHook"))  # the paper's curves
