"""Linear classification on frozen features, ImageNet, the recipe of the released code (published
for 200 epochs of HCSC: 69.2).

bash tools/dist_train.sh configs/benchmarks/linear_in1k.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
data_root = "data/imagenet"  # train/<class>/*.JPEG and val/<class>/*.JPEG
num_classes = 1000
num_gpus = 8  # with another number: change it here, or give --auto-scale-lr
batch_size = 32  # per GPU
max_epochs = 100
milestones = [60, 80]  # lr × 0.1 after so many epochs
# ---------------------------------------------------------------------------------

total_batch = num_gpus * batch_size  # 8 × 32 = 256
lr = 5.0 * total_batch / 256  # 5 × 256 / 256 = 5

model = dict(head=dict(num_classes=num_classes))
train_dataloader = dict(batch_size=batch_size, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs)
# --auto-scale-lr: lr × real total batch / this one
auto_scale_lr = dict(base_batch_size=total_batch)
