from .clusters_images import (
    ClustersImages,
    ContrastsKeys,
    EncodesKeys,
    MayKeepBackbone,
    TakesEarlierGroups,
)
from .prototype_hierarchy import PrototypeHierarchy
from .shard import Shard

__all__ = [
    "ClustersImages",
    "ContrastsKeys",
    "EncodesKeys",
    "MayKeepBackbone",
    "PrototypeHierarchy",
    "Shard",
    "TakesEarlierGroups",
]


def __getattr__(name: str):
    """``log_partition`` went to the rule of selection; it stays importable from here."""
    if name == "log_partition":
        from ..models.selection import log_partition

        return log_partition
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
