"""MoCo v2 with MoCHi's mixed negatives on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/mochi_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=0.2,
        contrast=dict(
            type="hcsc_mm.HardNegativeMixing", num_hardest=64, num_mixed=64, num_query_mixed=16
        ),
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
