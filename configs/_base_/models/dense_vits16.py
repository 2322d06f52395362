"""ViT-S/16 as hcsc_vits16_300e_in1k.py trains it, for detectors and segmentation networks.

Its maps all have stride 16: a neck makes a pyramid of them. Position embeddings are interpolated to
the images' sizes. tools/train.py --checkpoint says which weights.
"""

vits16 = dict(
    _delete_=True,
    type="hcsc_mm.TIMMBackbone",
    model_name="vit_small_patch16_224",
    drop_path_rate=0.1,
    init_cfg=dict(type="Pretrained", checkpoint=None, prefix="backbone."),
)
vits16_channels = [384, 384, 384, 384]  # of its four maps
