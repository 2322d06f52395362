from .hooks import CollapseHook, EpochSeedHook, HierarchicalClusteringHook, NonFiniteHook, UnreadableImagesHook

__all__ = ["CollapseHook", "EpochSeedHook", "HierarchicalClusteringHook", "NonFiniteHook", "UnreadableImagesHook"]
