"""MoCo v2 with false negatives attracted on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/fnc_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=0.2,
        # 512 keys have about 51 of each digit
        contrast=dict(type="hcsc_mm.FalseNegativeCancellation", mode="attract", num_false=10),
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
