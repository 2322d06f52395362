"""Weighted nearest neighbours on CIFAR-10.

python tools/run_stages.py configs/hcsc_r18_200e_cifar10.py --stages pretrain,knn
"""

_base_ = [
    "../_base_/models/features_r50.py",
    "../_base_/datasets/cifar.py",
    "../_base_/default_runtime.py",
]

# ---- the values that people change ----
data_root = "data/cifar10"
batch_size = 512
k = (10, 20, 100, 200)
temperature = 0.07
# ---------------------------------------

model = dict(backbone=dict(type="ResNet_CIFAR", depth=18), data_preprocessor=_base_.cifar10_colours)
loader = dict(batch_size=batch_size, num_workers=4, persistent_workers=False)
images = dict(type="CIFAR10", data_root=data_root, pipeline=_base_.whole_image)
test_dataloader = dict(**loader, dataset=dict(**images, split="test"))
test_cfg = dict(
    type="hcsc_mm.FeatureTestLoop",
    train_dataloader=dict(**loader, dataset=dict(**images, split="train")),
)
test_evaluator = dict(type="hcsc_mm.KNN", k=k, temperature=temperature)
