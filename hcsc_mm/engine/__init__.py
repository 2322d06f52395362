from ..utils.safe_load import make_mmengine_load_safely
from .hooks import (
    CheckLabelsHook,
    CollapseHook,
    EpochSeedHook,
    HierarchicalClusteringHook,
    KNNMonitorHook,
    NonFiniteHook,
    OnlineLinearProbeHook,
    PreemptionHook,
    ResumableCheckpointHook,
    UnreadableImagesHook,
)
from .train_loop import ResumableTrainLoop

make_mmengine_load_safely()

__all__ = [
    "CheckLabelsHook",
    "CollapseHook",
    "EpochSeedHook",
    "HierarchicalClusteringHook",
    "KNNMonitorHook",
    "NonFiniteHook",
    "OnlineLinearProbeHook",
    "PreemptionHook",
    "ResumableCheckpointHook",
    "ResumableTrainLoop",
    "UnreadableImagesHook",
]
