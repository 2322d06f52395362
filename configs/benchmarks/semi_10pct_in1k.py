"""Fine-tuning with the labels of 10 % of ImageNet, on SimCLR's list of images; the recipe of the
released code.

bash tools/dist_train.sh configs/benchmarks/semi_10pct_in1k.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth
"""

_base_ = [
    "../_base_/models/classifier_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/imagenet"  # train/<class>/*.JPEG and val/<class>/*.JPEG
# under data_root: file names such as n01440764_10026.JPEG, from SimCLR's imagenet_subsets
listed = "10percent.txt"
num_classes = 1000
num_gpus = 8  # with another number: change it here, or give --auto-scale-lr
batch_size = 32  # per GPU
max_epochs = 70
milestones = [30, 60]  # both lr × 0.1 after so many epochs
# ---------------------------------------------------------------------------------

total_batch = num_gpus * batch_size  # 8 × 32 = 256; 128,116 / 256 = 500 steps an epoch
lr = 0.005 * total_batch / 256  # of the backbone
head_lr = 0.02 * total_batch / 256

model = dict(
    # statistics of the total batch; a plain batch norm where there is no GPU
    backbone=dict(norm_cfg=dict(type="SyncBN", requires_grad=True)),
    head=dict(num_classes=num_classes),
)
train_dataloader = dict(batch_size=batch_size, dataset=dict(data_root=data_root, listed=listed))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
# weight decay is 0, as in sgd_step.py and in the released code
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs)
# --auto-scale-lr: both lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=total_batch)
