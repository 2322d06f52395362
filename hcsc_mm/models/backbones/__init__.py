from .timm_backbone import TIMMBackbone, mean_and_std

__all__ = ["TIMMBackbone", "mean_and_std"]
