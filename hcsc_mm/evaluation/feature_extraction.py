"""Features of every image of a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..utils.agreement import raise_together
from ..utils.progress import track
from ..utils.shard import shard_slice


@torch.no_grad()
def extract_features(
    encode: Callable[[Tensor], Tensor],
    dataloader: DataLoader,
    num_samples: int,
    known: Tensor | None = None,
) -> Tensor:
    """Run an encoder over a data set, each row written exactly once.

    Args:
        encode: (B, …) the loader's ``inputs`` → (B, D) features, on any device.
        dataloader: Batches with ``inputs`` and ``data_samples``, whose ``sample_idx`` is the row.
            With several ranks, each one's loader delivers its shard of the rows (``ShardSampler``);
            a row delivered again, as samplers that pad do, is ignored.
        num_samples: N over all ranks.
        known: (n, D) float32 features that need no encoding, NaN in the rows that the loader is to
            deliver; they are filled in place.

    Returns:
        (n, D) float32 on the features' device: all N rows on one process, this rank's contiguous
        shard otherwise. Rows of images that the data set skipped as unreadable are NaN.

    Raises:
        HCSCError: on all ranks, if a row is missing, out of range, or not finite; it names the
            first ones.
    """
    shard = shard_slice(num_samples)
    rows = _Rows(shard, known)
    for batch in track(dataloader, "extracting features"):
        rows.put(encode(batch["inputs"]).float(), batch["data_samples"])
    raise_together(rows.problem(dataloader), "feature extraction")
    rows.features[rows.skipped.to(rows.features.device)] = float("nan")
    return rows.features


class _Rows:
    """A rank's rows as they come in.

    Args:
        shard: Which of all rows are this rank's.
        known: (n, D) float32 features that need no encoding, as in :func:`extract_features`.

    Attributes:
        features: (n, D) float32; None before the first batch.
        skipped: (n,) bool, images that the data set could not read.
    """

    def __init__(self, shard: slice, known: Tensor | None) -> None:
        self.features = known
        self._shard = shard
        self._number = shard.stop - shard.start
        self._written = torch.zeros(self._number, dtype=torch.bool)
        if known is not None:
            self._written = torch.isfinite(known[:, 0]).cpu()
        self.skipped = torch.zeros(self._number, dtype=torch.bool)
        self._foreign: int | None = None

    def put(self, encoded: Tensor, samples: Sequence[Any]) -> None:
        """Take (B, D) features of a batch."""
        rows = torch.tensor([int(sample.sample_idx) for sample in samples]) - self._shard.start
        inside = (rows >= 0) & (rows < self._number)
        if self._foreign is None and not bool(inside.all()):
            self._foreign = int(rows[~inside][0]) + self._shard.start
        fresh = _first_occurrence(rows, inside, self._written).nonzero().squeeze(1)
        if self.features is None:
            self.features = encoded.new_full((self._number, encoded.shape[1]), float("nan"))
        # By indices that the host knows: a mask would wait for the device, and the next batch with
        # it.
        source, target = (
            index.to(encoded.device, non_blocking=True) for index in (fresh, rows[fresh])
        )
        self.features.index_copy_(0, target, encoded[source])
        self._written[rows[fresh]] = True
        unreadable = torch.tensor([bool(sample.get("unreadable", False)) for sample in samples])
        self.skipped[rows[fresh]] = unreadable[fresh]

    def problem(self, dataloader: DataLoader) -> str | None:
        """What is wrong with the rows when all batches are there."""
        start, stop = self._shard.start, self._shard.stop
        if self._foreign is not None:
            return (
                f"row {self._foreign} lies outside of this rank's shard [{start}, {stop}); use the "
                "sampler hcsc_mm.ShardSampler"
            )
        missing = (~self._written).nonzero().squeeze(1) + start
        if len(missing):
            return (
                f"{len(missing)} of {self._number} rows were never delivered, the first ones are "
                f"{missing[:5].tolist()}"
            )
        if self.features is None:
            return (
                "the data loader delivered no batch; with fewer images than processes some have "
                "none: use fewer processes"
            )
        broken = (~torch.isfinite(self.features).all(dim=1)).cpu() & ~self.skipped
        if not bool(broken.any()):
            return None
        first = _describe(dataloader, int(broken.nonzero()[0]) + start)
        return (
            f"{int(broken.sum())} features are NaN or infinite, the first is of {first}; the "
            "weights are broken"
        )


def _first_occurrence(rows: Tensor, inside: Tensor, written: Tensor) -> Tensor:
    """(B,) bool: rows of this shard that are new, the first of each within the batch."""
    candidate = inside.clone()
    candidate[inside] = ~written[rows[inside]]
    earlier_twin = (rows[:, None] == rows[None, :]).tril(diagonal=-1).any(dim=1)  # (B,)
    return candidate & ~earlier_twin


def _describe(dataloader: DataLoader, index: int) -> str:
    describe = getattr(dataloader.dataset, "describe", None)
    return f"sample {index}" if describe is None else describe(index)
