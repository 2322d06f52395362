"""What hooks may ask of a model that clusters the training images while it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from .prototype_hierarchy import PrototypeHierarchy


@runtime_checkable
class ContrastsKeys(Protocol):
    """A model with a queue of keys; also one that clusters nothing, as MoCo v2."""

    @property
    def queue_length(self) -> int:
        """Q, keys that :meth:`newest_keys` can give at most."""

    def newest_keys(self, count: int) -> Tensor:
        """(count, D) unit length, the keys made last, of all ranks' images in rank order."""

    def set_momentum(self, momentum: float) -> None:
        """Share of the query encoder in the key encoder's next updates, in (0, 1]."""


@runtime_checkable
class EncodesKeys(Protocol):
    """A model with a key encoder: another network that follows the trained one, or that itself."""

    def encode_key(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D) unit length, by the key encoder in whatever mode it is."""


@runtime_checkable
class MayKeepBackbone(Protocol):
    """A model with a key encoder whose backbone may stay as it is."""

    def frozen_backbone(self, most_channels: int) -> nn.Module | None:
        """The key encoder's backbone where no step trains it and its pooled features have at most
        so many channels; None otherwise.
        """

    def project_key(self, features: Tensor) -> Tensor:
        """(B, C) its pooled features → (B, D) unit length, as from images by ``encode_key``."""


@runtime_checkable
class TakesEarlierGroups(Protocol):
    """A stage of a chain of models, which is told what earlier stages found."""

    def set_earlier_groups(self, groups: Tensor | None) -> None:
        """(N,) int64 groups of the training images from now on; None: without any."""


@runtime_checkable
class ClustersImages(EncodesKeys, Protocol):
    """A model that is given a new clustering of the training images now and then.

    Its clusters are a :class:`PrototypeHierarchy`, or another object of the model's own with the
    same ``path``, ``sizes``, ``spread``, ``num_prototypes``, ``num_samples``, ``to``,
    ``state_dict``, and ``own``, ``is_whole``, ``assignments``, ``holding`` for the images of a
    shard.
    """

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """The clusters that it trains with; None during warm-up."""

    @property
    def concentration_temperature(self) -> float:
        """Mean of every level's concentrations."""

    def build_hierarchy(
        self, features: Tensor, num_prototypes: Sequence[int], **options: Any
    ) -> PrototypeHierarchy:
        """Cluster (n, D) features of this rank's shard; options as :func:`hierarchical_kmeans`,
        ``sharded`` only where each rank trains on its own shard.
        """

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Train with these clusters from now on; None: without any."""

    def load_hierarchy(self, state: Mapping[str, Any]) -> PrototypeHierarchy:
        """Clusters from the ``state_dict`` of those that :meth:`build_hierarchy` gave."""

    def preprocess(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images of a data loader → what the encoders take, on their device."""

    def encoding_keys(self) -> Any:
        """A context: the key encoder in eval mode, with equal statistics on all ranks."""

    def synchronize_statistics(self) -> None:
        """Give the key encoder the same batch-norm statistics on all ranks."""

    def clustering_weights(self) -> Mapping[str, Tensor]:
        """The weights that features for the clustering are made by, named as in the state dict."""

    def keep_shares(self) -> dict[str, float]:
        """Numbers of the model's own about the clusters, for the log: 'level<l>/<name>'."""
