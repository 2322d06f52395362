from ..utils.safe_load import make_mmengine_load_safely
from .hooks import EpochSeedHook, HierarchicalClusteringHook

make_mmengine_load_safely()

__all__ = ["EpochSeedHook", "HierarchicalClusteringHook"]
