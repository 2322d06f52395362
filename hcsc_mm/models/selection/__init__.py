"""Which negatives count."""

from ...utils.importing import import_all
from .cluster_selection import ClusterSelection, kept_shares
from .draws import bernoulli
from .formula import Draw, keep_probability, log_partition

__all__ = [
    "ClusterSelection",
    "Draw",
    "bernoulli",
    "keep_probability",
    "kept_shares",
    "log_partition",
]

import_all(__name__, __path__)  # a new file needs no entry here
