"""SGD, and a cosine from the first learning rate to 0, one step per epoch, without warm-up."""

optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.03, momentum=0.9, weight_decay=1e-4)
)
# Without T_max and end the cosine takes the length of the training loop: max_epochs stands in
# train_cfg alone.
param_scheduler = [dict(type="CosineAnnealingLR", by_epoch=True)]
train_cfg = dict(
    type="hcsc_mm.ResumableTrainLoop", max_epochs=200
)  # epochs that may resume in their middle
