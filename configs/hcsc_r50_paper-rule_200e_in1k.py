"""hcsc_r50_200e_in1k.py with the loss as the paper writes it, where the released code differs; no
result of this rule is published.

bash tools/dist_train.sh configs/hcsc_r50_paper-rule_200e_in1k.py 8
"""

_base_ = ["hcsc_r50_200e_in1k.py"]

# ---- the value that differs ----
# a rejected negative leaves the denominator, levels are averaged, only the own prototype is no
# negative
rule = "paper"
# --------------------------------

model = dict(head=dict(rule=rule))
