"""Two encoders and a queue: MoCo v2, and the base of all methods here that add to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_gather
from mmpretrain.models.selfsup import BaseSelfSupervisor
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...registry import MODELS
from ...runtime.pretrained import configs_of_type
from ..data_preprocessors import for_any_channels
from ..memories import NegativeQueue
from ..necks import ProjectionNeck
from ..utils.batch_shuffle import shuffle_over_ranks, unshuffle_over_ranks
from ..utils.inferencer_config import with_test_pipeline
from ..utils.momentum_encoder import MomentumEncoder
from .training_checks import ChecksContrast, takes_statistics


@MODELS.register_module()
class MomentumContrast(BaseSelfSupervisor, ChecksContrast):
    """MoCo v2 (He et al., CVPR 2020; Chen et al., arXiv 2003.04297).

    A method that adds to it overrides :meth:`contrast`, which gets the embeddings, and
    :meth:`enqueue`, if it has to know of new keys.

    Args:
        backbone: Config or module; its last output goes to the neck.
        neck: Config or module that ends in a unit-length embedding, as :class:`ProjectionNeck`.
        head: Config or module with the ``loss`` of :class:`InfoNCEHead`.
        queue_len: Q, number of negative keys; at least the images of a step, over all ranks, and
            twice as many with ``symmetric``.
        momentum: Share of the query encoder in each update of the key encoder, in (0, 1], as in
            ``mmpretrain.MoCo``; the paper's m is 1 − momentum.
        shuffle_key_batch: Shuffle the key images over ranks before the key encoder, so that query
            and key do not share batch-norm statistics. On one process the shuffle has an effect
            only with :class:`SplitBatchNorm2d`, and where no batch norm takes statistics of the
            batch (layer norm, frozen statistics) nothing is shuffled. On by default.
        symmetric: Each view is once the query and once the key, and the two losses are added (as in
            MoCo's CIFAR demo); twice the work of a step, and no local views. Off by default.
        pretrained: Checkpoint of the model, local path or URL.
        data_preprocessor: Config or module; ``SelfSupDataPreprocessor`` by default, of which
            :class:`AnyChannelsPreprocessor` takes the place.
        init_cfg: How weights begin, as in mmengine.
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        neck: dict | nn.Module,
        head: dict | nn.Module,
        queue_len: int = 16384,
        momentum: float = 0.001,
        shuffle_key_batch: bool = True,
        symmetric: bool = False,
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
        self._followed: tuple[int, ...] = ()  # state of the query encoder at the last update
        self.shuffle_key_batch = shuffle_key_batch
        self.symmetric = symmetric
        self.register_load_state_dict_post_hook(_follow_a_lone_query_encoder)

    def init_weights(self) -> None:
        """Initialise as mmengine does, then make the key encoder equal to the query encoder.

        Weights for the whole model may hold a key encoder; if they hold none, it is made equal when
        they are loaded.
        """
        super().init_weights()
        # Such weights may hold a key encoder of their own.
        if not any(configs_of_type(self.init_cfg, "Pretrained")):
            self.momentum_encoder.copy_from(self._query_encoder())

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """One training step's losses; moves the key encoder and the queue on.

        Args:
            inputs: Query crop, key crop, then the local crops, each (B, 3, H_v, W_v).
            data_samples: B samples; methods that cluster look ``sample_idx`` up, the index in the
                training set.

        Returns:
            Entries whose name contains 'loss' add up to the training loss; others are for the log.
        """
        self.check_views(inputs)
        query_images, key_images, *local_images = inputs
        self._follow_once()
        pairs = [([query_images, *local_images], key_images)]
        if self.symmetric:
            pairs.append(([key_images], query_images))
        total: dict[str, Tensor] = {}
        fresh = []
        for views, images in pairs:
            queries = [self.encode_query(view) for view in views]
            key, all_keys = self._encode_training_key(images)
            fresh.append(all_keys)
            for name, value in self.contrast(queries, key, data_samples).items():
                total[name] = total[name] + value if name in total and "loss" in name else value
        self.enqueue(torch.cat(fresh))
        return total

    def contrast(
        self, queries: Sequence[Tensor], key: Tensor, data_samples: Sequence[DataSample]
    ) -> dict[str, Tensor]:
        """Losses of (B, D) embeddings of each query view against the (B, D) keys and the queue."""
        return self.head.loss(queries, key, self.queue.keys)

    def enqueue(self, keys: Tensor) -> None:
        """Keep (B_total, D) keys of all ranks as negatives of the next steps."""
        self.queue.enqueue(keys)

    @property
    def queue_length(self) -> int:
        return self.queue.length

    @property
    def _config(self) -> Any:
        """The config that ``mmpretrain.get_model`` leaves here for its inferencers."""
        return self.__dict__.get("_inferencer_config")

    @_config.setter
    def _config(self, config: Any) -> None:
        self.__dict__["_inferencer_config"] = with_test_pipeline(config)

    def newest_keys(self, count: int) -> Tensor:
        """(count, D) keys made last; as many as images of a step: theirs, in rank order."""
        return self.queue.newest(count)

    def set_momentum(self, momentum: float) -> None:
        """Share of the query encoder in the key encoder's next updates, in (0, 1]."""
        self.momentum_encoder.momentum = momentum

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

    def frozen_backbone(self, most_channels: int) -> nn.Module | None:
        """The key encoder's backbone, if no parameter of the query encoder's is trained, and the
        neck takes vectors as well, of at most so many channels.
        """
        trained = any(weight.requires_grad for weight in self.backbone.parameters())
        if trained or not isinstance(self.neck, ProjectionNeck):
            return None
        if self.neck.in_channels > most_channels:
            return None
        return self.momentum_encoder.encoder[0]

    @torch.no_grad()
    def project_key(self, features: Tensor) -> Tensor:
        """(B, C) features of that backbone → (B, D) unit length: the rest of the key encoder."""
        return self.momentum_encoder.encoder[1](features)

    def synchronize_statistics(self) -> None:
        """Give the key encoder the same batch-norm statistics on all ranks."""
        self.momentum_encoder.synchronize_statistics()

    @contextmanager
    def encoding_keys(self) -> Iterator[None]:
        """The key encoder in eval mode, with the same statistics on all ranks."""
        encoder = self.momentum_encoder
        encoder.synchronize_statistics()
        training = encoder.training
        encoder.eval()
        try:
            yield
        finally:
            encoder.train(training)

    def clustering_weights(self) -> dict[str, Tensor]:
        """The key encoder's, named as in the state dict."""
        state = self.momentum_encoder.state_dict()
        return {f"momentum_encoder.{name}": value for name, value in state.items()}

    @torch.no_grad()
    def _encode_training_key(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) keys of this rank's images, and (B_total, D) of all ranks' in rank order."""
        if not (self.shuffle_key_batch and takes_statistics(self.momentum_encoder)):
            key = self.encode_key(images)
            return key, torch.cat(all_gather(key))
        images, order = shuffle_over_ranks(images)
        return unshuffle_over_ranks(self.encode_key(images), order)

    def _follow_once(self) -> None:
        """Move the key encoder once for each step of the optimizer: of a batch that is accumulated
        in parts (``optim_wrapper.accumulative_counts``), all parts meet the same key encoder.
        """
        # PyTorch counts the changes in place of each tensor.
        versions = tuple(weight._version for weight in self._query_encoder().parameters())
        if versions != self._followed:
            self.momentum_encoder.update(self._query_encoder())
            self._followed = versions

    def _query_encoder(self) -> nn.Sequential:
        return nn.Sequential(self.backbone, self.neck)


def _follow_a_lone_query_encoder(model: MomentumContrast, incompatible_keys) -> None:
    """Weights without a key encoder (a backbone, another method's) would leave a random one."""
    own = [f"momentum_encoder.{name}" for name, _ in model.momentum_encoder.named_parameters()]
    if set(own) <= set(incompatible_keys.missing_keys):
        model.momentum_encoder.copy_from(model._query_encoder())
