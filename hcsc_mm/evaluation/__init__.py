from .clustering_scores import clustering_scores
from .collapse import cluster_balance, effective_rank, relative_std
from .feature_extraction import extract_features
from .knn import knn_classify

__all__ = ["cluster_balance", "clustering_scores", "effective_rank", "extract_features", "knn_classify", "relative_std"]
