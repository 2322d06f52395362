"""Linear support vector machines on scikit-learn's handwritten digits, from all scans and from a
few per class.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,svm
"""

_base_ = ["knn_digits.py"]

test_evaluator = [
    dict(type="hcsc_mm.LinearSVM"),
    dict(type="hcsc_mm.LowShotSVM", shots=(1, 4, 16)),
]
