"""A stage of MCL on scikit-learn's digits, all else as hcsc_r18_digits.py.

The first stage is MoCo v2 with a tree of clusters at its end; a next one is told of those before:

    python tools/train.py configs/mcl_r18_digits.py --work-dir work_dirs/mcl_1
    python tools/train.py configs/mcl_r18_digits.py --work-dir work_dirs/mcl_2 \\
        --cfg-options "earlier=[work_dirs/mcl_1/epoch_120.pth]"
"""

_base_ = ["hcsc_r18_digits.py"]

earlier = []  # checkpoints of the stages before
# the tree is for the next stage only: one of the final weights
warmup_epochs = _base_.max_epochs - 1
model = dict(
    type="hcsc_mm.MCL",
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=0.2),
)
default_hooks = dict(
    clustering=dict(warmup_epochs=warmup_epochs),
    earlier_stages=dict(type="hcsc_mm.EarlierStagesHook", checkpoints=earlier),
)
