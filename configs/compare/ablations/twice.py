"""HCSC for twice the epochs, warm-up and all: the work of a symmetric loss, spent on steps."""

_base_ = ["../../hcsc_r18_digits.py"]

max_epochs = 2 * _base_.max_epochs
warmup_epochs = 2 * _base_.warmup_epochs
