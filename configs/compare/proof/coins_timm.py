"""Coins at 96 pixels, whole ones at 224, a projection on EfficientNet-Lite0."""

_base_ = ["../../_base_/proof/timm.py"]

data_root = "data/proof/coins"
max_epochs = 40  # of 5 steps
every_epochs = 8
warmup_epochs = 16
grace_epochs = 40
queue_len = 512
num_prototypes = (64, 8, 3)
