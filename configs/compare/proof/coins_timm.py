"""Coins at 128 pixels, a projection on EfficientNet-Lite0, which stays as it is:
configs/hcsc_timm_folder.py with all that it would fit set by hand.
"""

_base_ = ["../../hcsc_timm_folder.py"]

recipe = None  # all values are below

data_root = "data/proof/coins"
image_size = 96
whole_size = 224
short_side = 128
long_side = 256
batch_size = 256
num_workers = 0
max_epochs = 40  # of 5 steps
every_epochs = 8
lr_warmup = 50
warmup_epochs = 16
grace_epochs = 40
lr = 0.06
temperature = 0.07
queue_len = 512
num_prototypes = (64, 8, 3)

# twice the images a second where the processor has bfloat16 (docs/precision.md)
channels_last = True
optim_wrapper = dict(type="hcsc_mm.BFloat16OptimWrapper")
train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
