"""MoCo v2 with NNCLR's positives on scikit-learn's digits, with all else as in hcsc_r18_digits.py.

python tools/train.py configs/nnclr_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(head=dict(contrast=dict(type="hcsc_mm.NearestNeighbourPositives")))
