"""Coins at 64 pixels, from scratch."""

_base_ = ["../../_base_/proof/photographs.py"]

data_root = "data/proof/coins"
max_epochs = 40  # of 20 steps
every_epochs = 4
warmup_epochs = 8
grace_epochs = 20
queue_len = 512
num_prototypes = (64, 8, 3)
