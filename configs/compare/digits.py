"""MoCo v2, PCL v2, SwAV, HCSC and its neighbours (docs/methods.md) on the digits alone, without any
download: same network, views and steps.

python tools/compare.py configs/compare/digits.py
"""

_base_ = ["neighbours.py"]

title = "Digits"
data = dict(_delete_=True, digits=_base_.digits)
