"""MoCo v2 on scikit-learn's handwritten digits, with all else as in hcsc_r18_digits.py.

python tools/train.py configs/mocov2_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

temperature = _base_.model.head.temperature

model = dict(head=dict(temperature=temperature))
