from ..utils.safe_load import make_mmengine_load_safely
from .hooks import (
    CollapseHook,
    EpochSeedHook,
    HierarchicalClusteringHook,
    KNNMonitorHook,
    NonFiniteHook,
    PreemptionHook,
    ResumableCheckpointHook,
    UnreadableImagesHook,
)
from .train_loop import ResumableTrainLoop

make_mmengine_load_safely()

__all__ = [
    "CollapseHook",
    "EpochSeedHook",
    "HierarchicalClusteringHook",
    "KNNMonitorHook",
    "NonFiniteHook",
    "PreemptionHook",
    "ResumableCheckpointHook",
    "ResumableTrainLoop",
    "UnreadableImagesHook",
]
