"""HCSC, ConvNeXt V2-T (Woo et al., CVPR 2023), ImageNet, 300 epochs; all else as in
hcsc_convnext-tiny_300e_in1k.py. Nobody has measured a result of it.

bash tools/dist_train.sh configs/hcsc_convnextv2-tiny_300e_in1k.py 8
"""

_base_ = ["hcsc_convnext-tiny_300e_in1k.py"]

# Global response normalization in the place of the scales of layers.
model = dict(backbone=dict(model_name="convnextv2_tiny"))
