"""HIRL on MoCo v2: the path through the tree on scikit-learn's digits, all else as
hcsc_r18_digits.py.

python tools/train.py configs/hirl_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.HIRL",
    head=dict(
        _delete_=True,
        type="hcsc_mm.PathHead",
        channels=_base_.model.neck.out_channels,
        num_levels=len(_base_.num_prototypes),
        num_negative_paths=120,  # each of the 60 leaves about twice
        temperature=0.2,
    ),
)
find_unused_parameters = True  # the projections, before there is a tree
