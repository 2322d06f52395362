"""A stage shows images at the size of the pre-training that it judges."""

from __future__ import annotations

from mmengine.config import Config

from ..utils.image_sizes import (
    Views,
    describe,
    evaluation_pipelines,
    pipelines_of,
    scale_to,
    show_as,
    side_of,
    views_of,
)
from .pretrained import configs_of_type

_AS_IT_IS = "nothing"
_CLUSTERING = "HierarchicalClusteringHook"


def pretraining_views(pretraining: Config) -> Views:
    """At which size a pre-training shows images to train on, and whole ones to its clustering."""
    hooks = configs_of_type(pretraining.get("default_hooks"), _CLUSTERING)
    clustering = next((hook["pipeline"] for hook in hooks if hook.get("pipeline")), ())
    return views_of(pretraining, clustering)


def fit_sizes(cfg: Config, pretraining: Config) -> str | None:
    """Give a benchmark the sizes of a pre-training; ``cfg`` is changed in place.

    Whole images are brought to size as for the clustering, crops to train on have the size of the
    pre-training's first view. Detectors and segmentation networks keep theirs.

    Returns:
        One line about what is not as the config says, or not as in the pre-training; None if all
        is.
    """
    if cfg.get("default_scope") != "mmpretrain":
        return None
    views, before = pretraining_views(pretraining), shown(cfg)
    for pipeline in evaluation_pipelines(cfg):
        show_as(pipeline, views)
    if views.side is not None:
        for pipeline in pipelines_of(cfg.get("train_dataloader")):
            scale_to(pipeline, views.side)
    differing = differing_sizes(cfg, pretraining)
    if differing is None and shown(cfg) != before:
        return f"{shown(cfg)}, as in the pre-training; its config says {before}"
    return differing


def differing_sizes(cfg: Config, pretraining: Config) -> str | None:
    """One line about sizes of a benchmark that are not those of a pre-training; None if all are."""
    views = pretraining_views(pretraining)
    whole, side = side_of(views.whole) or views.side, views.side
    if cfg.get("default_scope") != "mmpretrain":
        return None
    shows = [one for one in evaluation_pipelines(cfg) if views.whole or describe(one)]
    crops = [one for one in pipelines_of(cfg.get("train_dataloader")) if describe(one)]
    alike = all(
        whole in (None, side_of(one)) or describe(one) == describe(views.whole) for one in shows
    )
    if alike and all(side in (None, side_of(one)) for one in crops):
        return None
    there = describe(views.whole) or f"{side} pixels"
    crop = "" if side is None else f", crops of {side} pixels"
    return f"{shown(cfg)}; in the pre-training {there}{crop}"


def shown(cfg: Config) -> str:
    """'whole images by ResizeEdge 256, CenterCrop 224, training crops by RandomResizedCrop 224'."""
    whole = dict.fromkeys(describe(one) or _AS_IT_IS for one in evaluation_pipelines(cfg))
    train = pipelines_of(cfg.get("train_dataloader"))
    crops = dict.fromkeys(describe(one) or _AS_IT_IS for one in train)
    parts = [f"whole images by {' or '.join(whole)}"] if whole else []
    parts += [f"training crops by {' or '.join(crops)}"] if crops else []
    return ", ".join(parts)
