"""SimSiam (mmpretrain's model) on scikit-learn's handwritten digits, else as hcsc_r18_digits.py.

python tools/train.py configs/simsiam_r18_digits.py
"""

_base_ = ["_base_/simsiam_r18_digits.py"]

default_hooks = dict(clustering=None)  # no clusters, ever
