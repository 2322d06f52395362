"""Images with labels, as ImageNet's are evaluated: a random crop and flip to train on, the centre
to test on.

The config that uses it gives data_root and num_classes, and builds pipelines for sizes other than
224 from the parts below. Validation and test are the same data; what counts is the last epoch's
accuracy.
"""

load = dict(type="hcsc_mm.LoadImage")
area_crop = dict(type="RandomResizedCrop", backend="pillow")  # 0.08 to 1 of the area
flip_and_pack = [dict(type="RandomFlip", prob=0.5), dict(type="PackInputs")]
shorter_edge = dict(type="ResizeEdge", edge="short", backend="pillow")

loading = dict(
    num_workers=8,
    # with seed_worker: augmentations differ between epochs and come back on resume
    persistent_workers=False,
    worker_init_fn=dict(type="hcsc_mm.seed_worker"),
    collate_fn=dict(type="default_collate"),
)
train_dataloader = dict(
    batch_size=32,
    **loading,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="hcsc_mm.LabelledImages",
        data_prefix="train",
        pipeline=[load, dict(area_crop, scale=224), *flip_and_pack],
    ),
)
val_dataloader = dict(
    batch_size=32,
    **loading,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="hcsc_mm.LabelledImages",
        data_prefix="val",
        test_mode=True,
        pipeline=[
            load,
            dict(shorter_edge, scale=256),
            dict(type="CenterCrop", crop_size=224),
            dict(type="PackInputs"),
        ],
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="Accuracy", topk=(1, 5))
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()

custom_hooks = [
    dict(type="hcsc_mm.CheckLabelsHook")
]  # do data sets, model and metric agree about the classes?
