"""HCSC with half the learning rate: a symmetric loss is the sum of two."""

_base_ = ["../../hcsc_r18_digits.py"]

lr = _base_.lr / 2
