"""Weighted nearest neighbours on the Grocery Store data set.

python tools/run_stages.py configs/hcsc_r18_grocery.py --stages pretrain,knn
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/grocery.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(depth=18))
loader = dict(batch_size=128, num_workers=1)
test_dataloader = dict(**loader, dataset=dict(**_base_.test_images, pipeline=_base_.centre_crop))
test_cfg = dict(
    type="hcsc_mm.FeatureTestLoop",
    train_dataloader=dict(
        **loader, dataset=dict(**_base_.train_images, pipeline=_base_.centre_crop)
    ),
)
test_evaluator = dict(type="hcsc_mm.KNN", k=(1, 10, 20))
