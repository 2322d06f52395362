"""The backbone alone, whose pooled output is judged.

tools/run_stages.py puts the pre-training's own backbone here.
"""

model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],  # of ImageNet, RGB, as in pre-training
        std=[58.395, 57.12, 57.375],
        to_rgb=True,  # images are loaded as BGR
    ),
    backbone=dict(type="ResNet", depth=50),
)
