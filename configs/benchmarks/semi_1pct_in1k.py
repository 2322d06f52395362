"""Fine-tuning with the labels of 1 % of ImageNet, on SimCLR's list of images. All else:
semi_10pct_in1k.py.

bash tools/dist_train.sh configs/benchmarks/semi_1pct_in1k.py 8 --checkpoint
work_dirs/hcsc_r50_200e_in1k/epoch_200.pth

HCSC's numbers for 1 % are not published with its code. These are SwAV's (eval_semisup.py and README
of facebookresearch/swav): 20 epochs, lr 0.02 for the backbone and 5 for the head, × 0.2 after 12
and 16 epochs, no weight decay, batch 256.
"""

_base_ = ["semi_10pct_in1k.py"]

# ---- the values that differ ----
listed = "1percent.txt"
max_epochs = 20
milestones = [12, 16]  # both lr × 0.2 after so many epochs
# 12,811 / 256 = 50 steps an epoch
lr = 0.02 * _base_.total_batch / 256  # of the backbone
head_lr = 5.0 * _base_.total_batch / 256
# --------------------------------

train_dataloader = dict(dataset=dict(listed=listed))
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys={"head.": dict(lr_mult=head_lr / lr)})
)
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones, gamma=0.2)]
train_cfg = dict(max_epochs=max_epochs)
default_hooks = dict(logger=dict(interval=10))
