"""MoCo v2 with MoCHi's mixed negatives on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/mochi_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(
    head=dict(
        contrast=dict(
            type="hcsc_mm.HardNegativeMixing", num_hardest=64, num_mixed=64, num_query_mixed=16
        )
    )
)
