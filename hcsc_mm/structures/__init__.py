from .prototype_hierarchy import PrototypeHierarchy, log_partition

__all__ = ["PrototypeHierarchy", "log_partition"]
