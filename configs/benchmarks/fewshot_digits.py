"""Episodes of five digits, learnt from one scan or five of each, on scikit-learn's test scans.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,fewshot
"""

_base_ = ["knn_digits.py"]

test_cfg = dict(_delete_=True, type="hcsc_mm.FeatureTestLoop")  # nothing but the test images
test_evaluator = dict(_delete_=True, type="hcsc_mm.FewShot", ways=5, shots=(1, 5), queries=15)
