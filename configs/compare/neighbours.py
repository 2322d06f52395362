"""HCSC's neighbours (docs/methods.md) beside MoCo v2, PCL v2, SwAV and HCSC, on the digits and on
Omniglot: the data sets and the peers of the proof, with the same network, views and steps.

    make proof DATA=folder ARGS="--scale neighbours"    goes on where it was stopped

Cells that the proof has run already are taken from there. Options that a method's config scales to
the digits (keys to mix, clusters to draw from) stay as they are on Omniglot.
"""

_base_ = ["proof.py"]

title = "Neighbours"
configs = "{{ fileDirname }}/.."
data = dict(_delete_=True, digits=_base_.digits, omniglot=_base_.omniglot)
norms = dict(type="hcsc_mm.SplitBatchNorm1d", num_splits=4)
methods = dict(
    mocov2_norm=dict(  # with FT's projection
        config=f"{configs}/mocov2_r18_digits.py",
        options={"model.neck.norm_cfg": norms, "model.neck.norm_last": True},
    ),
    simsiam=dict(config=f"{configs}/simsiam_r18_digits.py"),
    byol=dict(config=f"{configs}/byol_r18_digits.py"),
    nnclr=dict(config=f"{configs}/nnclr_r18_digits.py"),
    mochi=dict(config=f"{configs}/mochi_r18_digits.py"),
    ft=dict(config=f"{configs}/ft_r18_digits.py"),
    hard=dict(config=f"{configs}/hard_r18_digits.py"),
    cacr=dict(config=f"{configs}/cacr_r18_digits.py"),
    groco=dict(config=f"{configs}/groco_r18_digits.py"),
    fnc=dict(config=f"{configs}/fnc_r18_digits.py"),
    interclr=dict(config=f"{configs}/interclr_r18_digits.py"),
    interclr_online=dict(
        config=f"{configs}/interclr_r18_digits.py", options={"model.online": True}
    ),
    mcl=dict(config=f"{configs}/mcl_r18_digits.py", chain=2),
    hirl=dict(config=f"{configs}/hirl_r18_digits.py"),
    hirl_simsiam=dict(config=f"{configs}/hirl-simsiam_r18_digits.py"),
    hirl_byol=dict(config=f"{configs}/hirl-byol_r18_digits.py"),
    adainf=dict(config=f"{configs}/adainf_r18_digits.py"),
)
differences = (
    *((name, "mocov2") for name in (*methods, "hcsc_paper")),
    ("ft", "mocov2_norm"),
    ("hirl_simsiam", "simsiam"),
    ("hirl_byol", "byol"),
)
