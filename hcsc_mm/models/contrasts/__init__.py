"""How hard a pair pulls and pushes: what becomes of a query, its positive and its negatives."""

from ...utils.importing import import_all
from .attraction_and_repulsion import AttractionAndRepulsion
from .false_negative_cancellation import FalseNegativeCancellation
from .feature_transformation import FeatureTransformation
from .group_ordering import GroupOrdering
from .hard_negative_mixing import HardNegativeMixing
from .hardest_negatives import HardestNegatives
from .info_nce import InfoNCE
from .nearest_neighbour_positives import NearestNeighbourPositives
from .pairs import Pairs

__all__ = [
    "AttractionAndRepulsion",
    "FalseNegativeCancellation",
    "FeatureTransformation",
    "GroupOrdering",
    "HardNegativeMixing",
    "HardestNegatives",
    "InfoNCE",
    "NearestNeighbourPositives",
    "Pairs",
]

import_all(__name__, __path__)  # a new file needs no entry here
