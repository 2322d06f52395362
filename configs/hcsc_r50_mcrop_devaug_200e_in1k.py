"""hcsc_r50_mcrop_200e_in1k.py with its augmentations made on the GPU: for when the loader's workers
cannot keep up with it.

bash tools/dist_train.sh configs/hcsc_r50_mcrop_devaug_200e_in1k.py 8
"""

_base_ = ["hcsc_r50_mcrop_200e_in1k.py"]

# ---- the values that differ ----
views = [_base_.device_views[0], *_base_.device_views]  # query, key, then the local crops
# --------------------------------

train_dataloader = dict(
    pin_memory=True,  # a batch goes to the GPU in one copy that nobody waits for
    collate_fn=dict(type="hcsc_mm.pad_collate"),
    dataset=dict(pipeline=[_base_.load, *_base_.whole_image]),
)
model = dict(
    data_preprocessor=dict(type="hcsc_mm.DeviceAugmentation", views=views, non_blocking=True)
)
