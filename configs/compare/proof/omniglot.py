"""Omniglot, 19,280 drawings of 28 pixels, from scratch."""

_base_ = ["../../_base_/proof/drawings.py"]

data_root = "data/proof/omniglot"
max_epochs = 4  # of 301 steps
warmup_epochs = 1
grace_epochs = 2
num_prototypes = (964, 170, 30)

# No flip: a mirrored character is another one.
view = dict(
    size=_base_.image_size,
    scale=(0.4, 1.0),
    blur_prob=0.0,
    flip_prob=0.0,
    jitter_prob=0.0,
    grey_prob=0.0,
)
model = dict(data_preprocessor=dict(views=[view, view]))

stages = ["{{ fileDirname }}/../../benchmarks/fewshot_omniglot.py"]
