"""Hooks of the methods: when to cluster, what to log, collapse, online kNN and probe."""

from ..runtime import (  # they stay importable from here, where 0.1.0 had them
    EpochSeedHook,
    NonFiniteHook,
    PreemptionHook,
    ResumableCheckpointHook,
    ResumableTrainLoop,
    UnreadableImagesHook,
)
from . import hooks
from .hooks import *  # noqa: F403  the one list of hooks is theirs

__all__ = [
    *hooks.__all__,
    "EpochSeedHook",
    "NonFiniteHook",
    "PreemptionHook",
    "ResumableCheckpointHook",
    "ResumableTrainLoop",
    "UnreadableImagesHook",
]
