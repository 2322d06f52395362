"""HCSC: crops → query and key embeddings → head → queue."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather
from mmpretrain.models.selfsup import BaseSelfSupervisor
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...errors import HCSCError
from ...registry import MODELS
from ...structures import PrototypeHierarchy
from ..data_preprocessors import for_any_channels
from ..memories import NegativeQueue
from ..utils.batch_shuffle import shuffle_over_ranks, unshuffle_over_ranks
from ..utils.momentum_encoder import MomentumEncoder


@MODELS.register_module()
class HCSC(BaseSelfSupervisor):
    """Hierarchical Contrastive Selective Coding (Guo et al., CVPR 2022).

    Until :meth:`set_hierarchy` gives it a hierarchy, the model is MoCo v2.

    Args:
        backbone: Config or module; its last output goes to the neck.
        neck: Config or module that ends in a unit-length embedding, such as
            :class:`ProjectionNeck`.
        head: Config or module with the ``loss`` of :class:`HCSCHead`.
        queue_len: Q, number of negative keys.
        momentum: Share of the query encoder in each update of the key encoder, as in
            ``mmpretrain.MoCo``; the paper's m is 1 − momentum.
        shuffle_key_batch: Shuffle the key images over ranks before the key encoder, so that query
            and key do not share batch-norm statistics. On one process the shuffle has an effect
            only with :class:`SplitBatchNorm2d`.
        pretrained: Checkpoint of the model, local path or URL.
        data_preprocessor: Config or module; ``SelfSupDataPreprocessor`` by default, of which
            :class:`AnyChannelsPreprocessor` takes the place.
        init_cfg: As in mmengine.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        queue_len: int = 16384,
        momentum: float = 0.001,
        shuffle_key_batch: bool = True,
        pretrained: str | None = None,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            head=head,
            pretrained=pretrained,
            data_preprocessor=for_any_channels(data_preprocessor),
            init_cfg=init_cfg,
        )
        self.momentum_encoder = MomentumEncoder(self._query_encoder(), momentum)
        self.queue = NegativeQueue(queue_len, self.neck.out_channels)
        self.shuffle_key_batch = shuffle_key_batch
        self.register_load_state_dict_post_hook(_follow_a_lone_query_encoder)

    def init_weights(self) -> None:
        """Initialise as mmengine does, then make the key encoder equal to the query encoder."""
        super().init_weights()
        self.momentum_encoder.copy_from(self._query_encoder())

    def set_hierarchy(self, hierarchy: PrototypeHierarchy | None) -> None:
        """Train with this hierarchy from now on; None goes back to MoCo v2."""
        if hierarchy is not None:
            hierarchy = hierarchy.to(self.queue.keys.device)
        self.queue.set_hierarchy(hierarchy)

    @property
    def hierarchy(self) -> PrototypeHierarchy | None:
        """What the model trains with; None during warm-up."""
        return self.queue.hierarchy

    def preprocess(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images of a data loader → what the encoders take, on the model's device."""
        return self.data_preprocessor({"inputs": images, "data_samples": None})["inputs"]

    def encode_query(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D) unit length, query encoder."""
        return self.neck(self.backbone(images))

    @torch.no_grad()
    def encode_key(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D) unit length, key encoder, in whatever mode it is."""
        return self.momentum_encoder(images)

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """One training step's losses; moves the key encoder and the queue on.

        Args:
            inputs: Query crop, key crop, then the local crops, each (B, 3, H_v, W_v).
            data_samples: B samples whose ``sample_idx`` is their index in the training set.

        Returns:
            See :meth:`HCSCHead.loss`.
        """
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise HCSCError(
                "HCSC trains on at least two views of each image; "
                "use the MultiView transform in the training pipeline, or more views in "
                "DeviceAugmentation"
            )
        query_images, key_images, *local_images = inputs
        queries = [self.encode_query(images) for images in (query_images, *local_images)]
        key, all_keys = self._encode_training_key(key_images)
        path = None
        if self.hierarchy is not None:
            path = self.hierarchy.path([sample.sample_idx for sample in data_samples])
        losses = self.head.loss(queries, key, self.queue, self.hierarchy, path)
        self.queue.enqueue(all_keys)
        return losses

    @torch.no_grad()
    def _encode_training_key(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) keys of this rank's images, and (B_total, D) of all ranks' in rank order."""
        self.momentum_encoder.update(self._query_encoder())
        if not self.shuffle_key_batch:
            key = self.encode_key(images)
            return key, torch.cat(all_gather(key))
        images, order = shuffle_over_ranks(images)
        return unshuffle_over_ranks(self.encode_key(images), order)

    def _query_encoder(self) -> nn.Sequential:
        return nn.Sequential(self.backbone, self.neck)


def _follow_a_lone_query_encoder(model: HCSC, incompatible_keys) -> None:
    """Weights without a key encoder (a backbone, another method's checkpoint) would leave a random
    one behind.
    """
    own = [f"momentum_encoder.{name}" for name, _ in model.momentum_encoder.named_parameters()]
    if set(own) <= set(incompatible_keys.missing_keys):
        model.momentum_encoder.copy_from(model._query_encoder())


def find_hcsc(model: nn.Module) -> HCSC | None:
    """The HCSC model inside whatever wraps it; None if there is none."""
    return next((module for module in model.modules() if isinstance(module, HCSC)), None)
