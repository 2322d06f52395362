"""Images whose features are judged: the centre of each, and how they are loaded.

The config that uses it gives data set and batch.
"""

loader = dict(num_workers=8, persistent_workers=False)
load = dict(type="hcsc_mm.LoadImage")
shorter_edge = dict(type="ResizeEdge", edge="short", backend="pillow")
centre_crop = [
    load,
    dict(shorter_edge, scale=256),
    dict(type="CenterCrop", crop_size=224),
    dict(type="PackInputs"),
]
test_cfg = dict(type="hcsc_mm.FeatureTestLoop")
