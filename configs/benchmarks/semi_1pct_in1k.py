"""Fine-tuning with the labels of 1 % of ImageNet, on SimCLR's list of images.

bash tools/dist_train.sh configs/benchmarks/semi_1pct_in1k.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth

HCSC's numbers for 1 % are not published with its code. These are SwAV's (eval_semisup.py and README
of facebookresearch/swav): 20 epochs, lr 0.02 for the backbone and 5 for the head, × 0.2 after 12
and 16 epochs, no weight decay, batch 256.
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
listed = "1percent.txt"
num_classes = 1000
num_gpus = 8  # with another number: change it here, or give --auto-scale-lr
batch_size = 32  # per GPU
max_epochs = 20
milestones = [12, 16]  # both lr × 0.2 after so many epochs
# ---------------------------------------------------------------------------------

total_batch = num_gpus * batch_size  # 8 × 32 = 256; 12,811 / 256 = 50 steps an epoch
lr = 0.02 * total_batch / 256  # of the backbone
head_lr = 5.0 * total_batch / 256

model = dict(head=dict(num_classes=num_classes))
train_dataloader = dict(batch_size=batch_size, dataset=dict(data_root=data_root, listed=listed))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=milestones, gamma=0.2)]
train_cfg = dict(max_epochs=max_epochs)
auto_scale_lr = dict(
    base_batch_size=total_batch
)  # --auto-scale-lr: both lr × real total batch / this one
default_hooks = dict(logger=dict(interval=10))
