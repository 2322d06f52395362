from .hooks import EpochSeedHook, HierarchicalClusteringHook

__all__ = ["EpochSeedHook", "HierarchicalClusteringHook"]
