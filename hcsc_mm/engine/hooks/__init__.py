from .checkpoint_hook import ResumableCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook
from .preemption_hook import PreemptionHook

__all__ = ["EpochSeedHook", "HierarchicalClusteringHook", "PreemptionHook", "ResumableCheckpointHook"]
