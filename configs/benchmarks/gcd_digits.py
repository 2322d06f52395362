"""New digits beside known ones: 0 to 4 are known, half of their scans labelled; the others are new.

python tools/run_stages.py configs/hcsc_r18_digits.py --stages pretrain,gcd
"""

_base_ = ["clustering_digits.py"]  # the images of the pre-training, which its tree is of

test_evaluator = dict(_delete_=True, type="hcsc_mm.CategoryDiscovery")
