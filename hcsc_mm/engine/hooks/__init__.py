from .check_labels_hook import CheckLabelsHook
from .collapse_hook import CollapseHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook
from .knn_monitor_hook import KNNMonitorHook
from .online_linear_probe_hook import OnlineLinearProbeHook

__all__ = [
    "CheckLabelsHook",
    "CollapseHook",
    "HierarchicalClusteringHook",
    "KNNMonitorHook",
    "OnlineLinearProbeHook",
]
