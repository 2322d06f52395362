"""hcsc_r18_200e_folder.py with its augmentations made on the model's device: on a GPU, and on a CPU
where they are faster, too.

    python tools/train.py configs/hcsc_r18_devaug_200e_folder.py --cfg-options
    train_dataloader.dataset.data_root=/my/photos

The options in that file's head hold here, but for image_size. For 64 pixels:

    image_size 64     model.data_preprocessor.views.0.size=64
    model.data_preprocessor.views.1.size=64
                      default_hooks.clustering.pipeline.1.scale=73
                      default_hooks.clustering.pipeline.2.crop_size=64
"""

_base_ = ["hcsc_r18_200e_folder.py"]

# ---- the values that differ ----
view = dict(
    size=_base_.image_size, scale=(0.2, 1.0)
)  # colours, blur and flip are ViewRecipe's defaults: MoCo v2's, as in that file
# larger images are shrunk; at least 2.2 × the size of a view, so that a crop of a fifth of the area
# has its pixels
short_side = 512
# --------------------------------

train_dataloader = dict(
    collate_fn=dict(type="hcsc_mm.pad_collate"),
    dataset=dict(
        pipeline=[
            _base_.load,
            dict(type="hcsc_mm.WholeImage", short_side=short_side, long_side=2 * short_side),
            dict(type="PackInputs"),
        ]
    ),
)
model = dict(data_preprocessor=dict(type="hcsc_mm.DeviceAugmentation", views=[view, view]))
