"""The proof's photographs of 128 pixels, from scratch at 64."""

_base_ = ["from_scratch.py"]

image_size = 64
short_side = 128
long_side = 256

# 1.3 times the images a second where the processor has bfloat16 (docs/precision.md)
channels_last = True
optim_wrapper = dict(type="hcsc_mm.BFloat16OptimWrapper")
