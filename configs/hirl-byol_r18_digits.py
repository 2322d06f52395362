"""HIRL on BYOL: the path through the tree on scikit-learn's digits, all else as
byol_r18_digits.py.

python tools/train.py configs/hirl-byol_r18_digits.py
"""

_base_ = ["_base_/byol_r18_digits.py"]

model = dict(
    type="hcsc_mm.HIRLBYOL",
    head=dict(
        type="hcsc_mm.LatentPredictPathHead",
        channels=_base_.width,
        num_levels=len(_base_.num_prototypes),
        num_negative_paths=120,  # each of the 60 leaves about twice
    ),
)
find_unused_parameters = True  # the projections, before there is a tree
