"""Groceries at 64 pixels, from scratch."""

_base_ = ["../../_base_/proof/photographs.py"]

data_root = "data/proof/grocery"
max_epochs = 20  # of 41 steps
every_epochs = 2
warmup_epochs = 4
grace_epochs = 10
queue_len = 1024
num_prototypes = (240, 81, 43)
