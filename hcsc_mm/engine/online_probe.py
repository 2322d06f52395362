"""A linear classifier trained beside a model, on features that the model computes anyway."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, is_main_process
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..errors import HCSCError
from ..evaluation.feature_set import pooled_features
from ..evaluation.undisturbed import undisturbed
from ..utils.ranks import wait_for_ranks


class OnlineProbe:
    """The classifier, its optimizer, and a running count of what it got right; equal on all ranks
    but for the count.

    It starts from zeros: the problem is convex, and nothing is drawn from the generators that
    training draws from.

    Args:
        in_channels: C of the features.
        num_classes: Number of classes that the labels count through, from 0.
        device: Where the features are.
        lr: Learning rate of SGD.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        device: torch.device,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        self.weight = nn.Parameter(torch.zeros(num_classes, in_channels, device=device))
        self.bias = nn.Parameter(torch.zeros(num_classes, device=device))
        self.optimizer = torch.optim.SGD(
            [self.weight, self.bias], lr=lr, momentum=momentum, weight_decay=weight_decay
        )
        self.counts = torch.zeros(
            2, device=device, dtype=torch.float64
        )  # right and seen since the last look, on this rank

    def step(self, features: Tensor, labels: Tensor) -> None:
        """One step of SGD on the batches of all ranks; nothing waits for the device.

        Args:
            features: (B, C) float32 without a graph.
            labels: (B,) long, of this rank's batch.
        """
        scores = self.scores(features)  # (B, num_classes)
        gradients = torch.autograd.grad(F.cross_entropy(scores, labels), [self.weight, self.bias])
        together = torch.cat([gradient.reshape(-1) for gradient in gradients])
        all_reduce(together, op="mean")
        for parameter, gradient in zip(
            (self.weight, self.bias),
            together.split([self.weight.numel(), self.bias.numel()]),
            strict=True,
        ):
            parameter.grad = gradient.view_as(parameter)
        self.optimizer.step()
        self.counts += _right_and_seen(scores, labels)

    def scores(self, features: Tensor) -> Tensor:
        """(B, C) → (B, num_classes)."""
        return F.linear(features, self.weight, self.bias)

    def counts_of_all_ranks(self) -> Tensor:
        """(2,) right and seen since the last :meth:`take_accuracy`; all ranks must call it."""
        counts = self.counts.clone()
        all_reduce(counts, op="sum")
        return counts

    def take_accuracy(self) -> float:
        """Per cent right since the last call, each image judged before it was learnt from; all
        ranks must call it.
        """
        counts = self.counts_of_all_ranks()
        self.counts.zero_()
        return _per_cent(counts)

    def state_dict(self, counts: Tensor) -> dict[str, Any]:
        """All that a resume needs; ``counts`` as of :meth:`counts_of_all_ranks`."""
        weights = {"weight": self.weight.detach().cpu(), "bias": self.bias.detach().cpu()}
        return {**weights, "optimizer": self.optimizer.state_dict(), "counts": counts.cpu()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> list[str]:
        """Go on from :meth:`state_dict`; the optimizer's settings stay as they are.

        Returns:
            Which of them the state has otherwise, such as 'lr 0.1 (was 0.2)'.

        Raises:
            HCSCError: it is of another number of classes or channels.
        """
        if state["weight"].shape != self.weight.shape:
            raise HCSCError(
                f"the checkpoint's online probe has {tuple(state['weight'].shape)} classes and "
                f"channels, the run's {tuple(self.weight.shape)}; restore the data set and "
                "in_channels, or start anew with load_from instead of resume"
            )
        self.weight.copy_(state["weight"])
        self.bias.copy_(state["bias"])
        own = {
            key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"
        }
        self.optimizer.load_state_dict(state["optimizer"])
        saved = self.optimizer.param_groups[0]
        changed = [
            f"{key} {value} (was {saved[key]})"
            for key, value in own.items()
            if key in saved and saved[key] != value
        ]
        saved.update(own)
        self.counts.copy_(
            state["counts"] if is_main_process() else torch.zeros(2)
        )  # they are of all ranks together
        return changed

    @torch.no_grad()
    def evaluate(self, model: nn.Module, loader: DataLoader) -> float:
        """Per cent right on a loader in which each image comes once, over all ranks; the model is
        left as it was, bit by bit.

        Args:
            model: With ``backbone`` and ``data_preprocessor``, without a wrapper.
            loader: This rank's share.
        """
        counts = torch.zeros_like(self.counts)
        with undisturbed(model.backbone):
            for batch in loader:
                features = pooled_features(model, batch["inputs"]).float()
                counts += _right_and_seen(
                    self.scores(features), labels_of(batch["data_samples"], counts.device)
                )
        wait_for_ranks("evaluating the online probe")
        all_reduce(counts, op="sum")
        return _per_cent(counts)


def labels_of(samples: list, device: torch.device) -> Tensor:
    """(B,) long; the device is not waited for."""
    return torch.cat([sample.gt_label for sample in samples]).to(device, non_blocking=True)


def _right_and_seen(scores: Tensor, labels: Tensor) -> Tensor:
    right = (scores.detach().argmax(dim=1) == labels).sum()
    return torch.stack([right, torch.full_like(right, len(labels))])


def _per_cent(counts: Tensor) -> float:
    right, seen = counts.tolist()
    return 100 * right / seen if seen else float("nan")
