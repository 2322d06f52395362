"""The proof's photographs of 128 pixels, from scratch at 64."""

_base_ = ["from_scratch.py"]

image_size = 64
short_side = 128
long_side = 256
