"""hcsc_r18_200e_folder.py with its augmentations made on the model's device: on a GPU, and on a CPU
where they are faster, too.

    python tools/train.py configs/hcsc_r18_devaug_200e_folder.py --cfg-options data_root=/my/photos

The values at that file's top can be changed here as there.
"""

_base_ = ["hcsc_r18_200e_folder.py"]

# ---- the values that differ ----
# colours, blur and flip are ViewRecipe's defaults: MoCo v2's, as in that file
view = dict(size=_base_.image_size, scale=(0.2, 1.0))
# larger images are shrunk; at least 2.2 × the size of a view, so that a crop of a fifth of the area
# has its pixels
short_side = 512
# --------------------------------

whole_image = dict(type="hcsc_mm.WholeImage", short_side=short_side, long_side=2 * short_side)
train_dataloader = dict(
    collate_fn=dict(type="hcsc_mm.pad_collate"),
    dataset=dict(pipeline=[_base_.load, whole_image, dict(type="PackInputs")]),
)
model = dict(data_preprocessor=dict(type="hcsc_mm.DeviceAugmentation", views=[view, view]))
