"""The methods that the proof compares, on each of its data sets, and the differences that count."""

default_scope = "mmpretrain"
custom_imports = dict(imports=["hcsc_mm"], allow_failed_imports=False)
seeds = (0, 1, 2)
methods = dict(
    start=dict(
        config="{{ fileDirname }}/../../mocov2_r18_digits.py", trains=False, yardsticks=True
    ),
    mocov2=dict(config="{{ fileDirname }}/../../mocov2_r18_digits.py", yardsticks=True),
    pclv2=dict(config="{{ fileDirname }}/../../pcl_r18_digits.py"),
    swav=dict(config="{{ fileDirname }}/../../swav_r18_digits.py"),
    hcsc_released=dict(options={"model.head.rule": "released"}),
    hcsc_paper=dict(options={"model.head.rule": "paper"}),
)
differences = (
    ("hcsc_released", "mocov2"),
    ("hcsc_released", "pclv2"),
    ("hcsc_paper", "mocov2"),
    ("hcsc_paper", "pclv2"),
    ("hcsc_released", "hcsc_paper"),
)
