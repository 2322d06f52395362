from .epoch_seed_hook import EpochSeedHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook

__all__ = ["EpochSeedHook", "HierarchicalClusteringHook"]
