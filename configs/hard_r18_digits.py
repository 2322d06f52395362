"""MoCo v2 on its hardest negatives on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/hard_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(
        _delete_=True,
        type="hcsc_mm.InfoNCEHead",
        temperature=0.2,
        contrast=dict(type="hcsc_mm.HardestNegatives", share=0.25),
    ),
)
default_hooks = dict(clustering=None)  # no clusters, ever
