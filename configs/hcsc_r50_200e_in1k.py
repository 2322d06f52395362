"""HCSC, ResNet-50, ImageNet, 200 epochs: the main job of the paper (linear 69.2, kNN 60.7 there).

bash tools/dist_train.sh configs/hcsc_r50_200e_in1k.py 8
"""

_base_ = [
    "_base_/models/hcsc_r50.py",
    "_base_/datasets/imagenet_hcsc.py",
    "_base_/schedules/sgd_cosine.py",
    "_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/imagenet/train"  # images at any depth; no labels are read, so a subset is fine
num_gpus = 8  # with another number: change it here, or give --auto-scale-lr
batch_size = 32  # per GPU
max_epochs = 200
warmup_epochs = 20  # MoCo v2 until then, no clustering
num_prototypes = (
    3000,
    2000,
    1000,
)  # finest first; 1,281,167 images / 3000 = 427 each; 1000 as many as classes
# of k-means: random rows and five full restarts, as in the released code; 'k-means++' is faster and
# comes to smaller distances, and to other clusters
seeding = "random"
queue_len = 16384  # keys of the last 16384 / 256 = 64 steps; at least the total batch
unreadable = "stop"  # 'skip' goes on with another image, and counts
max_unreadable = 0.01  # with 'skip': more than this share of the images stops the run all the same
# ---------------------------------------------------------------------------------

# 8 × 32 = 256; 1,281,167 / 256 = 5004 steps an epoch, the rest is dropped.
total_batch = num_gpus * batch_size
lr = 0.03 * total_batch / 256  # 0.03 × 256 / 256 = 0.03
load = dict(type="hcsc_mm.LoadImage", unreadable=unreadable)

model = dict(queue_len=queue_len)
train_dataloader = dict(
    batch_size=batch_size, dataset=dict(data_root=data_root, pipeline=[load, *_base_.two_crops])
)
default_hooks = dict(
    clustering=dict(
        type="hcsc_mm.HierarchicalClusteringHook",
        num_prototypes=num_prototypes,
        warmup_epochs=warmup_epochs,
        seeding=seeding,
        pipeline=[load, *_base_.centre_crop],
    ),
    unreadable=dict(max_share=max_unreadable),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
train_cfg = dict(max_epochs=max_epochs)  # the cosine ends with it
auto_scale_lr = dict(
    base_batch_size=total_batch
)  # --auto-scale-lr: lr × real total batch / this one
