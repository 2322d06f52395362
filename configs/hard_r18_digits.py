"""MoCo v2 on its hardest negatives on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/hard_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(head=dict(contrast=dict(type="hcsc_mm.HardestNegatives", share=0.25)))
