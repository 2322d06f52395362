"""How images are loaded for a pre-training, and the parts of MoCo v2's views.

The config that uses it gives data set, batch and sizes. Images come as BGR, so grey is 0.114 blue +
0.587 green + 0.299 red. Pillow resizes, like the released code: it smooths when it shrinks.
"""

train_dataloader = dict(
    drop_last=True,
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
)

view_crop = dict(type="RandomResizedCrop", crop_ratio_range=(0.2, 1.0), backend="pillow")
jitter = dict(
    type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, backend="cv2"
)
colours = [
    dict(type="RandomApply", prob=0.8, transforms=[jitter]),
    dict(
        type="RandomGrayscale", prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
]
# 'inf': σ is uniform over the range
blur = dict(type="GaussianBlur", magnitude_range=(0.1, 2.0), magnitude_std="inf", prob=0.5)
flip = dict(type="RandomFlip", prob=0.5)
colours_blur_and_flip = [*colours, blur, flip]

shorter_edge = dict(type="ResizeEdge", edge="short", backend="pillow")
