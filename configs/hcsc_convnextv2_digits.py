"""HCSC with a small ConvNeXt V2 on scikit-learn's handwritten digits; all else as in
hcsc_convnext_digits.py.

python tools/run_stages.py configs/hcsc_convnextv2_digits.py --stages pretrain,knn
"""

_base_ = ["hcsc_convnext_digits.py"]

# Global response normalization in the place of the scales of layers.
model = dict(backbone=dict(model_name="convnextv2_tiny"))
