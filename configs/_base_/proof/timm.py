"""The proof's photographs of 128 pixels, a projection on EfficientNet-Lite0, which stays as it is:
configs/hcsc_timm_folder.py with all that it would fit set by hand, here and in the data set's
config.
"""

_base_ = ["../../hcsc_timm_folder.py"]

recipe = None  # nothing is fitted

image_size = 96
whole_size = 224
short_side = 128
long_side = 256
batch_size = 256
num_workers = 0
lr_warmup = 50
lr = 0.06
temperature = 0.07
seeding = "k-means++"  # every tree is made from Ward's clusters, too

# twice the images a second where the processor has bfloat16 (docs/precision.md)
channels_last = True
optim_wrapper = dict(type="hcsc_mm.BFloat16OptimWrapper")
train_dataloader = dict(dataset=dict(type="hcsc_mm.LabelledImages", ann_file="train.txt"))
