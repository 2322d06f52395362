"""What a hook gets to see of a clustering while its features are still there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from mmengine.runner import Runner
from torch import Tensor

from ..datasets import ExtractionView
from ..structures import PrototypeHierarchy


class Clustering(NamedTuple):
    """A clustering of the training images that has just been made.

    Attributes:
        hierarchy: The clusters, equal on all ranks; of the model's own kind.
        features: (n, D) of this rank's shard, unit length, NaN for unreadable images.
        images: All training images as the features were made of them, by ``sample_idx``.
    """

    hierarchy: PrototypeHierarchy
    features: Tensor
    images: ExtractionView


class SeesClusterings(ABC):
    """A hook that is shown every clustering, also that of the final weights."""

    @abstractmethod
    def see_clustering(self, runner: Runner, clustering: Clustering) -> None:
        """Called on all ranks, so that collectives may run; what it needs it must not keep: the
        features may be overwritten afterwards.
        """
