"""Linear classification on frozen features, Places205, as the other data sets here are trained on:
random crops of 0.08 to 1 of the area, flips, and one cosine. Not the released recipe, which is
linear_places205.py.

bash tools/dist_train.sh configs/benchmarks/linear_places205_one-cosine.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth
"""

_base_ = ["linear_places205.py"]

train_dataloader = dict(
    dataset=dict(pipeline=[_base_.load, dict(_base_.area_crop, scale=224), *_base_.flip_and_pack])
)
# without T_max it ends with the training
param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=True)]
