"""MoCo v2 with false negatives attracted on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/fnc_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(
    head=dict(
        # 512 keys have about 51 of each digit
        contrast=dict(type="hcsc_mm.FalseNegativeCancellation", mode="attract", num_false=10)
    )
)
