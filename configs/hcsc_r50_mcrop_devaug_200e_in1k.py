"""hcsc_r50_mcrop_200e_in1k.py with its augmentations made on the GPU: for when the loader's workers
cannot keep up with it. All else: hcsc_r50_devaug_200e_in1k.py.

bash tools/dist_train.sh configs/hcsc_r50_mcrop_devaug_200e_in1k.py 8
"""

_base_ = ["hcsc_r50_devaug_200e_in1k.py"]

# ---- the values that differ ----
views = [_base_.device_views[0], *_base_.device_views]  # query, key, then the local crops
# --------------------------------

model = dict(
    data_preprocessor=dict(views=views),
    selection=dict(type="hcsc_mm.ClusterSelection", local_instances=True),
)
