"""The features of all training images, extracted or remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dataset import BaseDataset, default_collate
from mmengine.dist import get_world_size
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..datasets import ExtractionView, OwnShardSampler, ShardSampler
from ..datasets.fingerprint import difference, fingerprint
from ..errors import HCSCError
from ..evaluation import extract_features
from ..models.memories import KeyBank
from ..models.utils.pooling import pool
from ..runtime.trial import trial_batch
from ..structures import ClustersImages, ContrastsKeys, MayKeepBackbone
from ..utils.random_states import host_generators_kept
from ..utils.ranks import WAIT_MINUTES
from ..utils.samples import check_numbered
from ..utils.shard import shard_slice
from .frozen_features import FrozenFeatures, KeptFeatures, most_channels


class TrainingFeatures:
    """One row per training image, sharded over the ranks.

    Args:
        runner: Its training loader tells the images, and the habits of loading.
        model: Encodes the images, with its key encoder.
        pipeline: Transforms for extraction, from loading to packing, without randomness.
        use_bank: Take the images' latest keys of training, and extract only those of images that
            have none. Off by default.
        batch_size: Images per rank and step of extraction, at least 1; by default twice the
            training batch.
        num_workers: Workers of the loader that reads the images; by default as many as in training.
        dataset: Config of the data set to extract, if it is to be another object than the training
            set; it must list the same images.

    Attributes:
        bank: The images' latest keys; None without ``use_bank``.
        identity: Number and fingerprint of the images and their white, for a checkpoint.
        sharded: Whether each of several ranks trains on the images of its own shard alone.

    Raises:
        HCSCError: the training set does not number its images, or ``dataset`` lists others; or a
            bank is asked of a model that keeps no keys.
    """

    def __init__(
        self,
        runner: Runner,
        model: ClustersImages,
        pipeline: Sequence[dict],
        use_bank: bool = False,
        batch_size: int | None = None,
        num_workers: int | None = None,
        dataset: dict | None = None,
    ) -> None:
        self._runner, self._model = runner, model
        training_loader = runner.train_dataloader
        training_set = training_loader.dataset
        if not isinstance(training_set, BaseDataset):
            raise HCSCError(
                f"the training set is a {type(training_set).__name__}, whose sample_idx does not "
                "tell its images apart; use one data set derived from mmengine's BaseDataset (a "
                "list of files can join several folders)"
            )
        images = training_set
        if dataset is not None:
            images = DATASETS.build({**dataset, "pipeline": []})
            _check_same_images(training_set, images)
        self._view, self._frozen = ExtractionView(images, pipeline), FrozenFeatures()
        self._batch_size = batch_size or 2 * training_loader.batch_size
        self._num_workers = training_loader.num_workers if num_workers is None else num_workers
        self.bank = _bank(model, len(self._view)) if use_bank else None
        self._training_set = training_set
        sampler = getattr(training_loader.batch_sampler, "sampler", training_loader.sampler)
        self.sharded = isinstance(sampler, OwnShardSampler) and get_world_size() > 1
        self.identity = {
            "num_samples": len(training_set),
            "images": fingerprint(training_set),
            "white": self._view.white,
        }

    def check_identity(self, saved: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of other images.

        Args:
            saved: ``identity`` of the run that wrote it.

        Raises:
            HCSCError: the number of images, or the images, or their order, is another.
        """
        now = self.identity
        if saved["num_samples"] != now["num_samples"]:
            raise HCSCError(
                f"the checkpoint was trained on {saved['num_samples']} images, the data set has "
                f"{now['num_samples']} now; restore the data set, or start anew with load_from "
                "instead of resume"
            )
        images = saved.get("images")  # checkpoints of 0.1.0 have none
        other = None if images is None else difference(images, self._training_set)
        if other is not None:
            raise HCSCError(
                f"the checkpoint was trained on {other}, than the {now['num_samples']} of the data "
                "set now; restore the data set, or start anew with load_from instead of resume"
            )

    def record(self, data_batch: dict) -> None:
        """Keep the keys of the training step just done."""
        sample_idx = [int(sample.sample_idx) for sample in data_batch["data_samples"]]
        newest = self._model.newest_keys(len(sample_idx) * get_world_size())
        self.bank.write(sample_idx, newest)

    def compute(self) -> Tensor:
        """(n, D) of this rank's shard, unit length, NaN for unreadable images.

        With a bank they are the bank's own rows. Extracted with the key encoder in eval mode, with
        equal statistics on all ranks, under the autocast of training.
        """
        shard, known = ShardSampler(self._view), None
        wanted: Sequence[int] | ShardSampler = shard
        if self.bank is not None:
            known = self.bank.features
            wanted = (torch.isnan(known[:, 0]).nonzero().squeeze(1) + shard.shard.start).tolist()
        with self._model.encoding_keys():
            backbone = self._frozen_backbone()
            if backbone is not None:
                return self._project(backbone, shard)
            return extract_features(self._encode, self._loader(wanted), len(self._view), known)

    def _frozen_backbone(self) -> nn.Module | None:
        if self.bank is not None or not isinstance(self._model, MayKeepBackbone):
            return None
        return self._model.frozen_backbone(most_channels(len(self._view), get_world_size()))

    def _project(self, backbone: nn.Module, shard: ShardSampler) -> Tensor:
        """The same as to encode all images anew, by features that the backbone has made once."""
        number = len(self._view)

        def encode(images: Tensor) -> Tensor:
            return self._mixed(lambda rows: pool(backbone(rows)), self._model.preprocess(images))

        def project(features: Tensor) -> Tensor:
            device = next(backbone.parameters()).device
            return self._mixed(self._model.project_key, features.to(device))

        def extract() -> Tensor:
            with host_generators_kept():  # a loader draws a seed: where features are kept, too
                return extract_features(encode, self._loader(shard), number)

        rows = self._frozen.of(backbone, extract)
        kept = KeptFeatures(rows, shard.shard.start, self._view)
        loader = DataLoader(kept, self._batch_size, sampler=shard, collate_fn=default_collate)
        return extract_features(project, loader, number)

    @property
    def shard(self) -> slice:
        """Numbers of the images that this rank's rows are of."""
        return shard_slice(len(self._view))

    @property
    def images(self) -> ExtractionView:
        """All training images, as they are extracted."""
        return self._view

    def trial_loader(self) -> DataLoader:
        """A loader of the images as they are extracted."""
        return self._loader(range(len(self._view)))

    def try_batch(self, batch: Mapping[str, Any]) -> list[str]:
        """Embed a few images, the model in eval mode.

        Returns:
            A warning if the pipeline gives the same images otherwise a second time.

        Raises:
            HCSCError: an image comes with several views, or without its number.
        """
        images = batch["inputs"]
        if not torch.is_tensor(images):
            raise HCSCError(
                "the clustering pipeline gives several views of each image; it takes one, such as "
                "the centre crop: leave MultiView out"
            )
        check_numbered(batch["data_samples"], "the clustering pipeline")
        self._encode(images)
        if torch.equal(images, trial_batch(self.trial_loader(), seed=1)["inputs"]):
            return []
        return [
            "The clustering pipeline is random: it gives an image otherwise each time, and the "
            "clusters differ with it; leave random transforms out of the hook's pipeline."
        ]

    def _encode(self, images: Tensor) -> Tensor:
        return self._mixed(self._model.encode_key, self._model.preprocess(images))

    @torch.no_grad()
    def _mixed(self, network: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """Under the autocast of training."""
        wrapper = self._runner.optim_wrapper
        mixed = hasattr(wrapper, "cast_dtype")  # mmengine's wrapper for fp16, or ours for bf16
        dtype = wrapper.cast_dtype if mixed else None
        with torch.autocast(inputs.device.type, dtype=dtype, enabled=mixed):
            return network(inputs)

    def _loader(self, sampler: Sequence[int] | ShardSampler) -> DataLoader:
        training_loader = self._runner.train_dataloader
        # To start workers for a handful of images takes longer than to load them.
        num_workers = self._num_workers if len(sampler) > self._batch_size else 0
        return DataLoader(
            self._view,
            batch_size=self._batch_size,
            sampler=sampler,
            num_workers=num_workers,
            # a worker that hangs must not be waited for for ever
            timeout=60 * WAIT_MINUTES if num_workers else 0,
            collate_fn=default_collate,
            worker_init_fn=training_loader.worker_init_fn,
            pin_memory=training_loader.pin_memory,
        )


def _bank(model: ClustersImages, num_images: int) -> KeyBank:
    if not isinstance(model, ContrastsKeys):
        raise HCSCError(
            f"features='bank' takes the keys of a queue, and {type(model).__name__} has none; set "
            "default_hooks.clustering.features=extract"
        )
    key = model.newest_keys(1)
    return KeyBank(num_images, key.shape[1], key.device)


def _check_same_images(training_set: BaseDataset, given: BaseDataset) -> None:
    """sample_idx must mean the same image in both."""
    advice = "leave the hook's dataset out to cluster the training set itself"
    if len(training_set) != len(given):
        raise HCSCError(
            f"the clustering hook's data set has {len(given)} images, the training set "
            f"{len(training_set)}; {advice}"
        )
    for index in range(len(given)):
        ours, theirs = (one.get_data_info(index).get("img_path") for one in (training_set, given))
        if ours != theirs:
            raise HCSCError(
                f"image {index} is {ours} in the training set and {theirs} in the clustering "
                f"hook's data set; {advice}"
            )
