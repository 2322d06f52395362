"""PCL v2 on scikit-learn's handwritten digits, with all else as in hcsc_r18_digits.py.

    python tools/train.py configs/pcl_r18_digits.py

The numbers of prototypes are those of HCSC's tree, each clustered by itself.
"""

_base_ = ["hcsc_r18_digits.py"]

temperature = _base_.model.head.temperature

model = dict(
    type="hcsc_mm.PCL",
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=temperature),
)
