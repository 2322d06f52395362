from .selective_info_nce import MOST_APART, info_nce_of_draws, selective_info_nce

__all__ = ["MOST_APART", "info_nce_of_draws", "selective_info_nce"]
