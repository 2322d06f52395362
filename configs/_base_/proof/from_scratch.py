"""What the proof's small data sets share that are trained from scratch: configs/hcsc_folder.py with
all that it would fit set by hand, here and in the data set's config, so that it is the same run on
every machine.
"""

_base_ = ["../../hcsc_folder.py"]

recipe = None  # nothing is fitted

batch_size = 64
num_workers = 0
lr_warmup = 100
lr = 0.03

train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
