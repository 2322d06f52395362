"""What mmpretrain's inferencers ask a model's config: how a test prepares an image."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.config import Config

from ...runtime.pretrained import configs_of_type

_CLUSTERING = "hcsc_mm.HierarchicalClusteringHook"


def with_test_pipeline(config: Any) -> Any:
    """A config in which mmpretrain's ``FeatureExtractor`` finds a test.

    Configs of pre-trainings have none. What comes nearest is how whole images are prepared for the
    clustering. The inferencers load images themselves.

    Args:
        config: A ``Config``, or whatever else the inferencer was given.

    Returns:
        A copy with ``test_dataloader.dataset.pipeline``, where that is missing and a clustering has
        one; the config itself otherwise.
    """
    if not isinstance(config, Config) or config.get("test_dataloader") is not None:
        return config
    hooks = configs_of_type(config.get("default_hooks"), _CLUSTERING)
    pipeline = next((hook["pipeline"] for hook in hooks if hook.get("pipeline")), None)
    if pipeline is None:
        return config
    completed = copy.deepcopy(config)
    completed.test_dataloader = dict(dataset=dict(pipeline=copy.deepcopy(list(pipeline))))
    return completed
