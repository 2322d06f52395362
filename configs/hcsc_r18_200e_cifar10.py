"""HCSC, ResNet-18, CIFAR-10, 200 epochs on one GPU.

    python tools/train.py configs/hcsc_r18_200e_cifar10.py

The data set is downloaded (163 MB) into data_root if it is not there. Optimiser, queue,
temperature, momentum and augmentations are those of MoCo's CIFAR-10 demo at half its batch; the
projection is HCSC's. The numbers of prototypes and the warm-up are scaled from the ImageNet recipe,
not tuned.
"""

_base_ = [
    "_base_/models/hcsc_r18.py",
    "_base_/datasets/pretraining.py",
    "_base_/datasets/cifar.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/cifar10"
batch_size = 256  # on one GPU
max_epochs = 200
warmup_epochs = 20  # a tenth of the epochs, as on ImageNet; MoCo v2 until then
# finest first; 50,000 images / 300 = 167 each (ImageNet: 427); 10 as many as classes
num_prototypes = (300, 100, 10)
queue_len = 4096  # keys of the last 4096 / 256 = 16 steps; a longer one did not help MoCo here
# parts of the batch with batch-norm statistics of their own, like 8 GPUs with 256 / 8 = 32 images
# each
num_splits = 8
# ---------------------------------------------------------------------------------

# 0.03 × 256 / 256 = 0.03; 50,000 / 256 = 195 steps an epoch, the rest is dropped
lr = 0.03 * batch_size / 256

crop = [
    dict(type="RandomResizedCrop", scale=32, backend="pillow"),  # 0.08 to 1 of the area
    *_base_.colours,
    _base_.flip,
]  # no blur: 32 pixels have no detail to lose
two_crops = [dict(type="MultiView", num_views=2, transforms=[crop]), dict(type="PackInputs")]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    dataset=dict(
        type="CIFAR10",
        data_root=data_root,
        split="train",
        pipeline=[*_base_.to_bgr, *two_crops],
    ),
)
model = dict(
    queue_len=queue_len,
    data_preprocessor=_base_.cifar10_colours,
    backbone=dict(
        type="ResNet_CIFAR",  # 3 × 3 stem without stride or pooling, for 32 pixels
        norm_cfg=dict(num_splits=num_splits),
    ),
    head=dict(temperature=0.1),
)

default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        pipeline=_base_.whole_image,  # nothing to crop
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=5e-4))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
# --auto-scale-lr: lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=batch_size)
stages = [
    f"{{ fileDirname }}/benchmarks/{name}_cifar10.py" for name in ("knn", "linear", "clustering")
]
