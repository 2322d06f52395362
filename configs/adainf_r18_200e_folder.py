"""MoCo v2 on real and generated images of any folders (AdaInf): the more generated ones, the weaker
the augmentation. All else as in hcsc_r18_200e_folder.py.

    python tools/train.py configs/adainf_r18_200e_folder.py \
        --cfg-options data_root=/my/photos generated=/my/samples real_share=0.3333

The values at that file's top can be changed here as there.
"""

_base_ = ["hcsc_r18_200e_folder.py"]

# ---- the values that differ ----
generated = "data/generated"  # images of a generative model of the photographs
real_share = 1 / 3  # of the samples; the released code's ten times 50,000 beside 1,000,000
# --------------------------------

# The paper has two strengths: all of it without generated images, and half the chance of a change
# of colours at a share of 1/3. This is the line through both.
strength = 1 - 0.75 * (1 - real_share)

jitter, *other_colours = _base_.colours
crop = [
    dict(_base_.view_crop, scale=_base_.image_size),
    dict(jitter, prob=jitter["prob"] * strength),
    *other_colours,
    _base_.blur,
    _base_.flip,
]
two_crops = [dict(type="MultiView", num_views=2, transforms=[crop]), dict(type="PackInputs")]
train_dataloader = dict(
    dataset=dict(
        type="hcsc_mm.MixedImages",
        generated=generated,
        real_share=real_share,
        pipeline=[_base_.load, *two_crops],
    )
)
model = dict(
    type="hcsc_mm.MomentumContrast",
    head=dict(_delete_=True, type="hcsc_mm.InfoNCEHead", temperature=0.2),
)
default_hooks = dict(clustering=None)  # no clusters, ever
