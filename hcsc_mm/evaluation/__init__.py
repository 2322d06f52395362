from .clustering_scores import clustering_scores
from .feature_extraction import extract_features
from .knn import knn_classify

__all__ = ["clustering_scores", "extract_features", "knn_classify"]
