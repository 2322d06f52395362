"""Coins at 64 pixels, from scratch: configs/hcsc_folder.py with all that it would fit set by hand,
so that it is the same run on every machine.
"""

_base_ = ["../../hcsc_folder.py"]

recipe = None  # all values are below

data_root = "data/proof/coins"
image_size = 64
short_side = 128
long_side = 256
batch_size = 64
num_workers = 0
max_epochs = 40  # of 20 steps
every_epochs = 4
lr_warmup = 100
warmup_epochs = 8
grace_epochs = 20
lr = 0.03
queue_len = 512
num_prototypes = (64, 8, 3)

train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
