from .check_labels_hook import CheckLabelsHook
from .checkpoint_hook import ResumableCheckpointHook
from .collapse_hook import CollapseHook
from .epoch_seed_hook import EpochSeedHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook
from .knn_monitor_hook import KNNMonitorHook
from .non_finite_hook import NonFiniteHook
from .online_linear_probe_hook import OnlineLinearProbeHook
from .preemption_hook import PreemptionHook
from .unreadable_images_hook import UnreadableImagesHook

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
    "UnreadableImagesHook",
]
