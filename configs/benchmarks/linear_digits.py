"""Linear classification on frozen features, scikit-learn's handwritten digits.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,linear
"""

_base_ = [
    "../_base_/models/linear_probe_r50.py",
    "../_base_/datasets/labelled_images.py",
    "../_base_/schedules/sgd_step.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change; all else in this file follows from them ----
batch_size = 64
max_epochs = 20
milestones = [12, 16]  # lr × 0.1 after so many epochs: as late as 60 and 80 of 100
# ---------------------------------------------------------------------------------

lr = 5.0 * batch_size / 256  # ImageNet's 5 per 256 images: 5 × 64 / 256 = 1.25
view = [
    dict(type="Resize", scale=16, interpolation="bicubic"),
    dict(type="PackInputs"),
]  # as in pre-training; no flip
train_set = dict(_delete_=True, type="hcsc_mm.Digits", split="train", pipeline=view)
test_set = dict(_delete_=True, type="hcsc_mm.Digits", split="test", pipeline=view)

model = dict(head=dict(num_classes=10, in_channels=128))
train_dataloader = dict(batch_size=batch_size, num_workers=0, dataset=train_set)
val_dataloader = dict(batch_size=256, num_workers=0, dataset=test_set)
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [dict(_base_.param_scheduler[0], milestones=milestones)]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
auto_scale_lr = dict(base_batch_size=batch_size)
