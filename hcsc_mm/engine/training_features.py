"""The features of all training images, extracted or remembered."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dataset import BaseDataset, default_collate
from mmengine.dist import get_world_size
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS
from torch import Tensor
from torch.utils.data import DataLoader

from ..datasets import ExtractionView, ShardSampler
from ..errors import HCSCError
from ..evaluation import extract_features
from ..models import HCSC
from ..models.memories import KeyBank
from ..utils.rendezvous import WAIT_MINUTES


class TrainingFeatures:
    """One row per training image, sharded over the ranks.

    Args:
        runner: Its training loader tells the images, and the habits of loading.
        model: Encodes them.
        pipeline: Transforms for extraction, from loading to packing, without randomness.
        use_bank: Take the images' latest keys of training, and extract only those of images that
            have none.
        batch_size: Images per rank and step of extraction; None: twice the training batch.
        num_workers: Of the extraction loader; None: as in training.
        dataset: Config of the data set to extract, if it is to be another object than the training
            set; it must list the same images.
    """

    def __init__(
        self,
        runner: Runner,
        model: HCSC,
        pipeline: Sequence[dict],
        use_bank: bool = False,
        batch_size: int | None = None,
        num_workers: int | None = None,
        dataset: dict | None = None,
    ) -> None:
        self._runner, self._model = runner, model
        training_set = runner.train_dataloader.dataset
        images = training_set
        if dataset is not None:
            images = DATASETS.build({**dataset, "pipeline": []})
            _check_same_images(training_set, images)
        self._view = ExtractionView(images, pipeline)
        self._batch_size = batch_size or 2 * runner.train_dataloader.batch_size
        self._num_workers = (
            runner.train_dataloader.num_workers if num_workers is None else num_workers
        )
        keys = model.queue.keys
        self.bank = KeyBank(len(self._view), keys.shape[1], keys.device) if use_bank else None

    def record(self, data_batch: dict) -> None:
        """Keep the keys of the training step just done."""
        sample_idx = [int(sample.sample_idx) for sample in data_batch["data_samples"]]
        self.bank.write(sample_idx, self._model.queue.newest(len(sample_idx) * get_world_size()))

    def compute(self) -> Tensor:
        """(n, D) of this rank's shard, unit length, NaN for unreadable images; with a bank, the
        bank's own rows.

        Extracted with the key encoder in eval mode, with equal statistics on all ranks, under the
        autocast of training.
        """
        shard, known = ShardSampler(self._view), None
        wanted: Sequence[int] | ShardSampler = shard
        if self.bank is not None:
            known = self.bank.features
            wanted = (torch.isnan(known[:, 0]).nonzero().squeeze(1) + shard.shard.start).tolist()
        encoder = self._model.momentum_encoder
        encoder.synchronize_statistics()
        training = encoder.training
        encoder.eval()
        try:
            return extract_features(self._encode, self._loader(wanted), len(self._view), known)
        finally:
            encoder.train(training)

    def _encode(self, images: Tensor) -> Tensor:
        wrapper = self._runner.optim_wrapper
        mixed = isinstance(wrapper, AmpOptimWrapper)
        device = self._model.queue.keys.device.type
        with torch.autocast(device, dtype=wrapper.cast_dtype if mixed else None, enabled=mixed):
            return self._model.encode_key(self._model.preprocess(images))

    def _loader(self, sampler: Sequence[int] | ShardSampler) -> DataLoader:
        training_loader = self._runner.train_dataloader
        # To start workers for a handful of images takes longer than to load them.
        num_workers = self._num_workers if len(sampler) > self._batch_size else 0
        return DataLoader(
            self._view,
            batch_size=self._batch_size,
            sampler=sampler,
            num_workers=num_workers,
            timeout=60 * WAIT_MINUTES
            if num_workers
            else 0,  # a worker that hangs must not be waited for for ever
            collate_fn=default_collate,
            worker_init_fn=training_loader.worker_init_fn,
            pin_memory=training_loader.pin_memory,
        )


def _check_same_images(training_set: BaseDataset, given: BaseDataset) -> None:
    """sample_idx must mean the same image in both."""
    if len(training_set) != len(given):
        raise HCSCError(
            f"the clustering hook's data set has {len(given)} images, the training set "
            f"{len(training_set)}; "
            "leave the hook's dataset out to cluster the training set itself"
        )
    for index in range(len(given)):
        ours, theirs = (one.get_data_info(index).get("img_path") for one in (training_set, given))
        if ours != theirs:
            raise HCSCError(
                f"image {index} is {ours} in the training set and {theirs} in the clustering "
                "hook's data set; "
                "leave the hook's dataset out to cluster the training set itself"
            )
