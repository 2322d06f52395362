"""Linear support vector machines on frozen features of any images in class folders, from all of
them and from a few per class.

python tools/test.py configs/benchmarks/svm_folder.py CHECKPOINT
"""

_base_ = ["knn_folder.py"]

# ---- the values that people change ----
costs = (0.25, 1.0, 4.0)  # each class takes its own, by cross-validation
shots = (1, 2, 4, 8)  # at most as many as the smallest class has
num_draws = 5
# ---------------------------------------

test_evaluator = [
    dict(type="hcsc_mm.LinearSVM", costs=costs),
    dict(type="hcsc_mm.LowShotSVM", shots=shots, num_draws=num_draws),
]
