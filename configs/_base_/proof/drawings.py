"""The proof's images of 28 pixels and one colour, from scratch."""

_base_ = ["from_scratch.py"]

image_size = 28
short_side = 28
long_side = 56
small_stem = True
base_channels = 16
blur_prob = 0.0
every_epochs = 1
queue_len = 1024
