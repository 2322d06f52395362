from .checkpoint_hook import ResumableCheckpointHook
from .collapse_hook import CollapseHook
from .epoch_seed_hook import EpochSeedHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook
from .knn_monitor_hook import KNNMonitorHook
from .non_finite_hook import NonFiniteHook
from .preemption_hook import PreemptionHook
from .unreadable_images_hook import UnreadableImagesHook

__all__ = [
    "CollapseHook",
    "EpochSeedHook",
    "HierarchicalClusteringHook",
    "KNNMonitorHook",
    "NonFiniteHook",
    "PreemptionHook",
    "ResumableCheckpointHook",
    "UnreadableImagesHook",
]
