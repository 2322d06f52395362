"""Groceries at 64 pixels, from scratch: configs/hcsc_folder.py with all that it would fit set by
hand, so that it is the same run on every machine.
"""

_base_ = ["../../hcsc_folder.py"]

recipe = None  # all values are below

data_root = "data/proof/grocery"
image_size = 64
short_side = 128
long_side = 256
batch_size = 64
num_workers = 0
max_epochs = 20  # of 41 steps
every_epochs = 2
lr_warmup = 100
warmup_epochs = 4
grace_epochs = 10
lr = 0.03
queue_len = 1024
num_prototypes = (240, 81, 43)

train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
