"""Linear support vector machines on the Grocery Store data set, from all training images and from a
few per class.

python tools/run_stages.py configs/hcsc_r18_grocery.py --stages pretrain,svm
"""

_base_ = ["knn_grocery.py"]

test_evaluator = [
    dict(type="hcsc_mm.LinearSVM", costs=(0.25, 1.0, 4.0)),
    dict(type="hcsc_mm.LowShotSVM", shots=(1, 2, 4, 8, 16)),
]
