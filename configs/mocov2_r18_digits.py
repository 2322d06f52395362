"""MoCo v2 on scikit-learn's handwritten digits, with all else as in hcsc_r18_digits.py.

python tools/train.py configs/mocov2_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

temperature = _base_.model.head.temperature

model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=temperature),
)
default_hooks = dict(clustering=None)  # no clusters, ever
