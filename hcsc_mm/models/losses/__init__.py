from .selective_info_nce import selective_info_nce

__all__ = ["selective_info_nce"]
