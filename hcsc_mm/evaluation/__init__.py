from .clustering_metrics import Clustering, HierarchyScores
from .clustering_scores import clustering_scores
from .collapse import cluster_balance, effective_rank, relative_std
from .discovery_metrics import CategoryDiscovery
from .feature_extraction import extract_features
from .feature_loop import FeatureTestLoop
from .feature_metrics import KNN, FewShot, LinearSVM, LowShotSVM
from .feature_set import FeatureSet, build_feature_loader, extract_feature_set
from .knn import knn_classify
from .svm import mean_average_precision, svm_scores
from .tree_scores import dendrogram_purity, tree_scores

__all__ = [
    "KNN",
    "CategoryDiscovery",
    "Clustering",
    "FeatureSet",
    "FeatureTestLoop",
    "FewShot",
    "HierarchyScores",
    "LinearSVM",
    "LowShotSVM",
    "build_feature_loader",
    "cluster_balance",
    "clustering_scores",
    "dendrogram_purity",
    "effective_rank",
    "extract_feature_set",
    "extract_features",
    "knn_classify",
    "mean_average_precision",
    "relative_std",
    "svm_scores",
    "tree_scores",
]
