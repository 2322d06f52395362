"""Classification on PASCAL VOC 2007 from a few images per class: mAP on test, mean and standard
deviation over draws.

python tools/test.py configs/benchmarks/lowshot_voc07.py CHECKPOINT
"""

_base_ = ["svm_voc07.py"]

# ---- the values that people change ----
shots = (1, 2, 4, 8, 16)  # positives per class
num_draws = 5
cost = 0.5
# ---------------------------------------

test_evaluator = dict(
    _delete_=True, type="hcsc_mm.LowShotSVM", shots=shots, num_draws=num_draws, cost=cost
)
