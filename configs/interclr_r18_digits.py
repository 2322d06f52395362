"""MoCo v2 with InterCLR's loss between images on scikit-learn's digits, all else as
hcsc_r18_digits.py.

python tools/train.py configs/interclr_r18_digits.py
"""

_base_ = ["hcsc_r18_digits.py"]

model = dict(
    type="hcsc_mm.InterCLR",
    pool_share=0.5,  # 256 of 512 keys, of which 64 are drawn
    drawn_share=0.25,
    level=1,  # 30 clusters: 17 keys of each in the queue
    online=False,  # labels are the tree's until the next clustering
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=0.2),
)
