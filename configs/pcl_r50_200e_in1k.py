"""PCL v2, ResNet-50, ImageNet, 200 epochs (linear 67.6 in its paper). All else as HCSC.

bash tools/dist_train.sh configs/pcl_r50_200e_in1k.py 8
"""

_base_ = ["hcsc_r50_200e_in1k.py"]

# ---- the values that differ; of the released code, as are the rest ----
num_prototypes = (100000, 50000, 25000)  # each clustered by itself
num_negative_prototypes = 16384  # drawn for each clustering and step
# -----------------------------------------------------------------------

model = dict(
    type="hcsc_mm.PCL",
    num_negative_prototypes=num_negative_prototypes,
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=0.2),
)
default_hooks = dict(clustering=dict(num_prototypes=num_prototypes))
