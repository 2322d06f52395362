"""MoCo v2 with GroCo's ordering on scikit-learn's digits, all else as hcsc_r18_digits.py.

python tools/train.py configs/groco_r18_digits.py
"""

_base_ = ["_base_/mocov2_r18_digits.py"]

model = dict(
    head=dict(
        _delete_=True,  # without MoCo v2's temperature
        type="hcsc_mm.InfoNCEHead",
        contrast=dict(type="hcsc_mm.GroupOrdering"),
    )
)
