"""What moves the result: one option after the other changed, on the digits and on Omniglot.

    make proof DATA=folder ARGS="--scale ablations"

``hcsc_paper`` is the paper's rule with three levels, selection of instances and prototypes,
k-means++ and features of the momentum encoder that are extracted for each clustering. Both rules
are run again here, on the machine of the other rows: on that of the proof a seed was another draw.
The momentum is constant on the digits and has a schedule on Omniglot; the row of each is the other
one. A symmetric loss doubles the work of a step and is the sum of two losses: beside it stand the
same with half the learning rate, and twice the steps without it.
"""

_base_ = ["proof.py"]

title = "What moves the result"
levels = "{{ fileDirname }}/ablations/levels.py"
half_lr, twice = "{{ fileDirname }}/ablations/half_lr.py", "{{ fileDirname }}/ablations/twice.py"
data = dict(_delete_=True, digits=_base_.digits, omniglot=_base_.omniglot)
rule, selection = "model.head.rule", "model.selection"
clustering, momentum = "default_hooks.clustering", "default_hooks.key_momentum"
base = {rule: "paper"}
methods = dict(
    _delete_=True,
    hcsc_paper=dict(options=base),
    hcsc_released=dict(options={rule: "released"}),
    instances_only=dict(options={**base, f"{selection}.prototypes": False}),
    prototypes_only=dict(options={**base, f"{selection}.instances": False}),
    no_selection=dict(
        options={**base, f"{selection}.prototypes": False, f"{selection}.instances": False}
    ),
    levels_1=dict(config=levels, options={**base, "levels": 1}),
    levels_2=dict(config=levels, options={**base, "levels": 2}),
    levels_4=dict(config=levels, options={**base, "levels": 4}),
    random_seeding=dict(options={**base, f"{clustering}.seeding": "random"}),
    ward_seeding=dict(options={**base, f"{clustering}.seeding": "ward"}),
    bank=dict(options={**base, f"{clustering}.features": "bank"}),
    symmetric=dict(options={**base, "model.symmetric": True}),
    symmetric_half_lr=dict(config=half_lr, options={**base, "model.symmetric": True}),
    twice_the_steps=dict(config=twice, options=base),
    momentum_constant=dict(
        options={**base, f"{momentum}.type": "hcsc_mm.MomentumScheduleHook"}
        | {f"{momentum}.start": 0.004, f"{momentum}.end": 0.004, "model.momentum": 0.004}
    ),
    momentum_schedule=dict(
        options={**base, f"{momentum}.type": "hcsc_mm.MomentumScheduleHook"}
        | {f"{momentum}.start": 0.01, f"{momentum}.end": 0.001, "model.momentum": 0.01}
    ),
)
names = [name for name in methods if name != "_delete_"]
own = (("digits", "momentum_constant"), ("omniglot", "momentum_schedule"))  # what the data's has
pairs = [(one, name) for one in ("digits", "omniglot") for name in names if (one, name) not in own]
differences = [(name, "hcsc_paper") for name in names if name != "hcsc_paper"]
