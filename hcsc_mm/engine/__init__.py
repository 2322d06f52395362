from ..utils.safe_load import make_mmengine_load_safely
from .hooks import EpochSeedHook, HierarchicalClusteringHook, PreemptionHook, ResumableCheckpointHook
from .train_loop import ResumableTrainLoop

make_mmengine_load_safely()

__all__ = ["EpochSeedHook", "HierarchicalClusteringHook", "PreemptionHook", "ResumableCheckpointHook", "ResumableTrainLoop"]
