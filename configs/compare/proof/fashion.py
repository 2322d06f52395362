"""Fashion-MNIST, 10,000 images of 28 pixels, from scratch."""

_base_ = ["../../_base_/proof/drawings.py"]

data_root = "data/proof/fashion-mnist"
max_epochs = 8  # of 156 steps
warmup_epochs = 2
grace_epochs = 3
num_prototypes = (300, 60, 10)

# 1.4 times the images a second where the processor has bfloat16 (docs/precision.md)
optim_wrapper = dict(type="hcsc_mm.BFloat16OptimWrapper")
