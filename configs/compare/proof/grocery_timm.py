"""Groceries at 96 pixels, whole ones at 224, a projection on EfficientNet-Lite0."""

_base_ = ["../../_base_/proof/timm.py"]

data_root = "data/proof/grocery"
max_epochs = 20  # of 10 steps
every_epochs = 4
warmup_epochs = 4
grace_epochs = 20
queue_len = 1024
num_prototypes = (240, 81, 43)
