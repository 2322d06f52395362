"""MoCo v2, PCL v2, SwAV, SimSiam, BYOL, HCSC and its neighbours (docs/methods.md) on the digits:
same network, views and steps.

python tools/compare.py configs/compare/digits.py
"""

default_scope = "mmpretrain"
custom_imports = dict(imports=["hcsc_mm"], allow_failed_imports=False)
title = "Digits"
seeds = (0, 1, 2)
folder = "{{ fileDirname }}/.."
data = dict(
    digits=dict(
        config=f"{folder}/hcsc_r18_digits.py",
        train=dict(type="hcsc_mm.Digits", split="train"),
        test=dict(type="hcsc_mm.Digits", split="test"),
        num_clusters=(60, 30, 10),
        note="1,437 scans to train on, 360 held out; kNN with k = 20.",
    ),
)
methods = dict(
    start=dict(config=f"{folder}/mocov2_r18_digits.py", trains=False, yardsticks=True),
    mocov2=dict(config=f"{folder}/mocov2_r18_digits.py", yardsticks=True),
    pclv2=dict(config=f"{folder}/pcl_r18_digits.py"),
    swav=dict(config=f"{folder}/swav_r18_digits.py"),
    simsiam=dict(config=f"{folder}/simsiam_r18_digits.py"),
    byol=dict(config=f"{folder}/byol_r18_digits.py"),
    nnclr=dict(config=f"{folder}/nnclr_r18_digits.py"),
    mochi=dict(config=f"{folder}/mochi_r18_digits.py"),
    ft=dict(config=f"{folder}/ft_r18_digits.py"),
    hard=dict(config=f"{folder}/hard_r18_digits.py"),
    cacr=dict(config=f"{folder}/cacr_r18_digits.py"),
    groco=dict(config=f"{folder}/groco_r18_digits.py"),
    fnc=dict(config=f"{folder}/fnc_r18_digits.py"),
    interclr=dict(config=f"{folder}/interclr_r18_digits.py"),
    hirl=dict(config=f"{folder}/hirl_r18_digits.py"),
    hcsc_released=dict(options={"model.head.rule": "released"}),
    hcsc_paper=dict(options={"model.head.rule": "paper"}),
)
