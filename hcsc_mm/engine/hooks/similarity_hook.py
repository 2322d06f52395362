"""Are positives close, do all spread, are clusters kept together? Curves of a contrast's work."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_gather
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from ...errors import HCSCError
from ...evaluation.similarities import of_two_views, tolerance
from ...evaluation.undisturbed import undisturbed
from ...registry import HOOKS
from ...structures import ClustersImages, EncodesKeys
from ...utils.models import first_of, unwrapped


@HOOKS.register_module()
class SimilarityHook(Hook):
    """Log what the similarities of a batch say, every few steps and at the end of each epoch.

    The key encoder, in eval mode, embeds the first two views of the batch at hand, of all ranks;
    the training's numbers do not change with it. Models without a key encoder are left alone.

    Scalars, each of N images:

    - ``similarity/alignment``, ``similarity/uniformity``: Wang & Isola, ICML 2020, α = 2, t = 2.
    - ``similarity/tolerance`` of the labels, where the images have one each, and
      ``similarity/level<l>/tolerance`` of the clusters, where the model has a hierarchy, both where
      two images of the batch are of one group: Wang & Liu, CVPR 2021.
    - ``similarity/hard_share_t<τ>``: the share of InfoNCE's gradient by the negatives that the
      hardest get at a temperature; the same paper.
    - ``similarity/positive_mean``, ``.../positive_variance``, ``.../negative_mean``,
      ``.../negative_variance``: the score plots of Zhu et al., ICCV 2021, where a negative is the
      other view of another image of the batch.

    Args:
        interval: Steps from one measurement to the next, at least 1; 100 by default.
        temperatures: Temperatures of the gradient's shares, each above 0; 0.07, 0.2 and 0.5 by
            default. Empty: none.
        hard_share: Which negatives are the hardest, as a share of all, in (0, 1]; 0.1 by default.
    """

    priority = "BELOW_NORMAL"

    def __init__(
        self,
        interval: int = 100,
        temperatures: Sequence[float] = (0.07, 0.2, 0.5),
        hard_share: float = 0.1,
    ) -> None:
        if interval < 1 or any(value <= 0 for value in temperatures) or not 0 < hard_share <= 1:
            raise HCSCError(
                f"interval={interval} of SimilarityHook must be at least 1, "
                f"temperatures={tuple(temperatures)} above 0 and hard_share={hard_share} in (0, 1]"
            )
        self.interval = interval
        self.temperatures = tuple(temperatures)
        self.hard_share = hard_share

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict | None = None
    ) -> None:
        end = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if end or self.every_n_train_iters(runner, self.interval):
            self._measure(runner, data_batch)

    @torch.no_grad()
    def _measure(self, runner: Runner, batch: dict) -> None:
        model = unwrapped(runner.model)
        encoder = first_of(model, EncodesKeys)
        if encoder is None:
            return
        with undisturbed(model):
            views = model.data_preprocessor(batch, True)["inputs"]
            one, other = (_gathered(encoder.encode_key(view).float()) for view in views[:2])
        found = of_two_views(one, other, self.temperatures, self.hard_share)
        scalars = {f"similarity/{name}": value for name, value in found.items()}
        samples = batch["data_samples"]
        if all("gt_label" in sample and sample.gt_label.numel() == 1 for sample in samples):
            labels = torch.cat([sample.gt_label for sample in samples]).to(one.device)
            scalars["similarity/tolerance"] = tolerance(one, _gathered(labels))
        clusters = first_of(model, ClustersImages)
        if clusters is not None and clusters.hierarchy is not None:
            path = clusters.hierarchy.path([sample.sample_idx for sample in samples])
            for level, own in enumerate(path):
                name = f"similarity/level{level}/tolerance"
                scalars[name] = tolerance(one, _gathered(own.to(one.device)))
        known = {name: float(value) for name, value in scalars.items() if not value.isnan()}
        runner.visualizer.add_scalars(known, step=runner.iter + 1)


def _gathered(rows: Tensor) -> Tensor:
    """(W · B, …) of all ranks, in rank order."""
    return torch.cat(all_gather(rows.contiguous()))
