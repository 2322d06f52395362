"""Parts of an optimizer for transformers and ConvNeXts, in the place of SGD.

As in MoCo v3 (Chen et al., ICCV 2021, Section 4) and DINO (Caron et al., ICCV 2021, Section 3.2):
no decay on norms, biases, tokens and position embeddings. The config that uses them gives learning
rate and decay.
"""

adamw = dict(_delete_=True, type="AdamW", betas=(0.9, 0.999))
clipped = dict(max_norm=3.0)  # a gradient's length
no_decay = dict(
    norm_decay_mult=0.0,
    bias_decay_mult=0.0,
    flat_decay_mult=0.0,  # a ConvNeXt's scales of its layers, and V2's of its channels
    custom_keys=dict(cls_token=dict(decay_mult=0.0), pos_embed=dict(decay_mult=0.0)),
)
