"""Fashion-MNIST, 10,000 images of 28 pixels, from scratch: configs/hcsc_folder.py with all that it
would fit set by hand, so that it is the same run on every machine.
"""

_base_ = ["../../hcsc_folder.py"]

recipe = None  # all values are below

data_root = "data/proof/fashion-mnist"
image_size = 28
short_side = 28
long_side = 56
small_stem = True
base_channels = 16
blur_prob = 0.0
batch_size = 64
num_workers = 0
max_epochs = 8  # of 156 steps
every_epochs = 1
lr_warmup = 100
warmup_epochs = 2
grace_epochs = 3
lr = 0.03
queue_len = 1024
num_prototypes = (300, 60, 10)

train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
