"""MoCo v2 with GroCo's ordering on scikit-learn's digits; but for the learning rate and the
projection's norms as hcsc_r18_digits.py.

python tools/train.py configs/groco_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

# The mean over a cross entropy for each similarity has a tenth of InfoNCE's gradient, and the
# paper's LARS does not mind how large it is. At ten times the rate one seed of three learns.
lr = 10 / 3 * _base_.lr
model = dict(
    # Without norms all similarities become equal at this rate (docs/methods.md).
    neck=dict(
        norm_cfg=dict(type="hcsc_mm.SplitBatchNorm1d", num_splits=_base_.num_splits),
        norm_last=True,
    ),
    head=dict(
        _delete_=True,  # without MoCo v2's temperature
        type="hcsc_mm.InfoNCEHead",
        # Of ten classes the ten hardest of all keys are of the query's own; of 20 they are not.
        contrast=dict(type="hcsc_mm.GroupOrdering", steepness=10.0, candidates=20),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
