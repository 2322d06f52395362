"""What moves the result: one option after the other changed, on the digits and on the coins.

    make proof DATA=folder ARGS="--scale ablations"

``hcsc`` is the paper's rule with three levels, selection of instances and prototypes, k-means++
and features of the momentum encoder that are extracted for each clustering.
"""

_base_ = ["proof.py"]

title = "What moves the result"
coins = dict(_base_.coins, options=dict(num_prototypes=(60, 30, 10)), num_clusters=(60, 30, 8))
data = dict(_delete_=True, digits=_base_.digits, coins=coins)
rule, selection = "model.head.rule", "model.selection"
clustering, momentum = "default_hooks.clustering", "default_hooks.key_momentum"
base = {rule: "paper"}
methods = dict(
    _delete_=True,
    hcsc=dict(options=base),
    released=dict(options={rule: "released"}),
    instances_only=dict(options={**base, f"{selection}.prototypes": False}),
    prototypes_only=dict(options={**base, f"{selection}.instances": False}),
    no_selection=dict(
        options={**base, f"{selection}.prototypes": False, f"{selection}.instances": False}
    ),
    levels_1=dict(options={**base, f"{clustering}.num_prototypes": (60,)}),
    levels_2=dict(options={**base, f"{clustering}.num_prototypes": (60, 30)}),
    levels_4=dict(options={**base, f"{clustering}.num_prototypes": (120, 60, 30, 10)}),
    random_seeding=dict(options={**base, f"{clustering}.seeding": "random"}),
    ward_seeding=dict(options={**base, f"{clustering}.seeding": "ward"}),
    bank=dict(options={**base, f"{clustering}.features": "bank"}),
    symmetric=dict(options={**base, "model.symmetric": True}),
    momentum_constant=dict(
        options={**base, f"{momentum}.type": "hcsc_mm.MomentumScheduleHook"}
        | {f"{momentum}.start": 0.004, f"{momentum}.end": 0.004, "model.momentum": 0.004}
    ),
    momentum_schedule=dict(
        options={**base, f"{momentum}.type": "hcsc_mm.MomentumScheduleHook"}
        | {f"{momentum}.start": 0.01, f"{momentum}.end": 0.001, "model.momentum": 0.01}
    ),
)
differences = tuple((name, "hcsc") for name in methods if name not in ("_delete_", "hcsc"))
