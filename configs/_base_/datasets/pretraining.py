"""How images are loaded for a pre-training, and the parts of MoCo v2's views.

The config that uses it gives data set, batch and sizes. Pillow resizes, like the released code: it
smooths when it shrinks.
"""

_base_ = ["moco_colours.py"]

train_dataloader = dict(
    drop_last=True,
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
)

view_crop = dict(type="RandomResizedCrop", crop_ratio_range=(0.2, 1.0), backend="pillow")
shorter_edge = dict(type="ResizeEdge", edge="short", backend="pillow")
