"""SGD whose learning rates fall at milestones, without weight decay."""

optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=5.0, momentum=0.9, weight_decay=0.0)
)
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[60, 80], gamma=0.1)]
train_cfg = dict(
    type="hcsc_mm.ResumableTrainLoop", max_epochs=100
)  # epochs that may resume in their middle
