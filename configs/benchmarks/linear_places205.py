"""Linear classification on frozen features, Places205, the recipe of the released code: crops of
the images as they are, MoCo v2's colours, and a cosine that starts again every 10 epochs.

bash tools/dist_train.sh configs/benchmarks/linear_places205.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/datasets/moco_colours.py",
    "../_base_/schedules/sgd_cosine.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/places205"
# under data_root, as imagesPlaces205_resize.tar.gz unpacks
images = "data/vision/torralba/deeplearning/images256"
# under data_root, as trainvalsplit_places205.tar.gz unpacks
train_list = "trainvalsplit_places205/train_places205.csv"
val_list = "trainvalsplit_places205/val_places205.csv"
num_classes = 205
num_gpus = 8  # with another number: change it here, or give --auto-scale-lr
batch_size = 32  # per GPU
max_epochs = 100
period = 10  # epochs from one start of the cosine to the next
# ---------------------------------------------------------------------------------

total_batch = num_gpus * batch_size  # 8 × 32 = 256
lr = 3.0 * total_batch / 256  # 3 × 256 / 256 = 3

model = dict(head=dict(num_classes=num_classes))
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        data_root=data_root,
        data_prefix=images,
        ann_file=train_list,
        # the archive's images are 256 × 256
        pipeline=[
            _base_.load,
            dict(type="RandomCrop", crop_size=224, pad_if_needed=True),
            *_base_.colours_blur_and_flip,
            dict(type="PackInputs"),
        ],
    ),
)
val_dataloader = dict(dataset=dict(data_root=data_root, data_prefix=images, ann_file=val_list))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=0.0))
periods = -(-max_epochs // period)  # the last one may be cut short
param_scheduler = [
    dict(
        type="CosineRestartLR",
        periods=[period] * periods,
        restart_weights=[1.0] * periods,
        eta_min=0.0,
        by_epoch=True,
        convert_to_iter_based=True,  # the rate falls at every step
    )
]
train_cfg = dict(max_epochs=max_epochs)
# --auto-scale-lr: lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=total_batch)
