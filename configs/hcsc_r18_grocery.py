"""HCSC, ResNet-18, photographs of groceries: a short pre-training, and every classification
benchmark, on two cores.

    python tools/run_stages.py configs/hcsc_r18_grocery.py

_base_/datasets/grocery.py says what data/grocery holds; --data-root DIR looks for it in
DIR/grocery.
"""

_base_ = [
    "_base_/models/hcsc_r18.py",
    "_base_/datasets/pretraining.py",
    "_base_/datasets/grocery.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
batch_size = 64  # on one process; divisible by num_splits
# parts of the batch with batch-norm statistics of their own, like 4 GPUs with 64 / 4 = 16 images
# each
num_splits = 4
max_epochs = 25  # short: 2640 / 64 = 41 steps an epoch
warmup_epochs = 8  # MoCo v2 until then
num_prototypes = (
    240,
    81,
    43,
)  # finest first; 2640 images / 240 = 11 each; 81 and 43 as many as classes and coarse classes
# keys of the last 512 / 64 = 8 steps; at least the batch, and well below the number of images
queue_len = 512
# With lr 0.03, temperature 0.2, momentum 0.01 and a queue of 1024 the embeddings collapse within
# 400 steps, and stay so.
lr = 0.06
lr_warmup = 100  # steps in which it rises from nearly 0, which keeps the embeddings apart
temperature = 0.1
# ---------------------------------------------------------------------------------

crop = [dict(_base_.view_crop, scale=_base_.image_size), *_base_.colours_blur_and_flip]
two_crops = [dict(type="MultiView", num_views=2, transforms=[crop]), dict(type="PackInputs")]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=1,
    dataset=dict(**_base_.train_images, pipeline=[_base_.load_image, *two_crops]),
)
model = dict(
    queue_len=queue_len,
    momentum=0.004,  # four times ImageNet's, for a run of 1025 steps
    backbone=dict(norm_cfg=dict(num_splits=num_splits)),
    head=dict(temperature=temperature),
)

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=_base_.centre_crop,
    ),
    logger=dict(interval=10),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, end=lr_warmup),
    dict(type="CosineAnnealingLR", by_epoch=True),  # one multiplies the other
]
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(base_batch_size=batch_size)
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_grocery.py"
    for name in ("knn", "linear", "semi", "svm", "clustering")
]
