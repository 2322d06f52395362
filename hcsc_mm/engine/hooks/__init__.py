from .check_labels_hook import CheckLabelsHook
from .collapse_hook import CollapseHook
from .earlier_stages_hook import EarlierStagesHook
from .hierarchical_clustering_hook import HierarchicalClusteringHook
from .knn_monitor_hook import KNNMonitorHook
from .momentum_schedule_hook import MomentumScheduleHook
from .online_linear_probe_hook import OnlineLinearProbeHook
from .similarity_hook import SimilarityHook
from .summary_hook import SummaryHook
from .tree_picture_hook import TreePictureHook

__all__ = [
    "CheckLabelsHook",
    "CollapseHook",
    "EarlierStagesHook",
    "HierarchicalClusteringHook",
    "KNNMonitorHook",
    "MomentumScheduleHook",
    "OnlineLinearProbeHook",
    "SimilarityHook",
    "SummaryHook",
    "TreePictureHook",
]
