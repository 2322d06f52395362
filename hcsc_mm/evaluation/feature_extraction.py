"""Features of every image of a data set."""

from __future__ import annotations

from collections.abc import Callable

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
    num_rows = shard.stop - shard.start
    features = known
    written = (
        torch.zeros(num_rows, dtype=torch.bool)
        if known is None
        else torch.isfinite(known[:, 0]).cpu()
    )
    skipped = torch.zeros(num_rows, dtype=torch.bool)
    foreign: int | None = None
    for batch in track(dataloader, "extracting features"):
        encoded = encode(batch["inputs"]).float()
        samples = batch["data_samples"]
        rows = torch.tensor([int(sample.sample_idx) for sample in samples]) - shard.start
        inside = (rows >= 0) & (rows < num_rows)
        if foreign is None and not bool(inside.all()):
            foreign = int(rows[~inside][0]) + shard.start
        fresh = _first_occurrence(rows, inside, written).nonzero().squeeze(1)
        if features is None:
            features = encoded.new_full((num_rows, encoded.shape[1]), float("nan"))
        # By indices that the host knows: a mask would wait for the device, and the next batch with
        # it.
        source, target = (
            index.to(encoded.device, non_blocking=True) for index in (fresh, rows[fresh])
        )
        features.index_copy_(0, target, encoded[source])
        written[rows[fresh]] = True
        skipped[rows[fresh]] = torch.tensor(
            [bool(sample.get("unreadable", False)) for sample in samples]
        )[fresh]
    missing = (~written).nonzero().squeeze(1) + shard.start
    problem = None
    if foreign is not None:
        problem = (
            f"row {foreign} lies outside of this rank's shard [{shard.start}, "
            f"{shard.stop}); use "
            "the sampler hcsc_mm.ShardSampler"
        )
    elif len(missing):
        problem = (
            f"{len(missing)} of {num_rows} rows were never delivered, the first ones are "
            f"{missing[:5].tolist()}"
        )
    elif features is None:
        problem = (
            "the data loader delivered no batch; with fewer images than processes some have "
            "none: "
            "use fewer processes"
        )
    else:
        broken = (~torch.isfinite(features).all(dim=1)).cpu() & ~skipped
        if bool(broken.any()):
            first = int(broken.nonzero()[0]) + shard.start
            problem = (
                f"{int(broken.sum())} features are NaN or infinite, the first is of "
                f"{_describe(dataloader, first)}; the weights are broken"
            )
    raise_together(problem, "feature extraction")
    features[skipped.to(features.device)] = float("nan")
    return features


def _first_occurrence(rows: Tensor, inside: Tensor, written: Tensor) -> Tensor:
    """(B,) bool: rows of this shard that are new, the first of each within the batch."""
    candidate = inside.clone()
    candidate[inside] = ~written[rows[inside]]
    earlier_twin = (rows[:, None] == rows[None, :]).tril(diagonal=-1).any(dim=1)  # (B,)
    return candidate & ~earlier_twin


def _describe(dataloader: DataLoader, index: int) -> str:
    describe = getattr(dataloader.dataset, "describe", None)
    return f"sample {index}" if describe is None else describe(index)
