"""HCSC's training step once more, image by image and in float64, from the description of the
released arithmetic and not from the package: encoders, momentum, losses, queue and SGD, of one rank
or of several.

Its encoder is a perceptron; draws are given, so that nothing depends on who draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def keep_probabilities(candidates: Tensor, prototypes: Tensor, phi: Tensor, anchor: int) -> Tensor:
    """(M,) 1 − softmax_i(x·c_i / φ_i)[anchor], without clamp."""
    rows = [
        torch.softmax(torch.stack([x @ c / f for c, f in zip(prototypes, phi, strict=True)]), 0)
        for x in candidates
    ]
    return torch.stack([1 - row[anchor] for row in rows])


class Batch(NamedTuple):
    """What a rank trains on in a step.

    Attributes:
        views: Query crop, key crop, local crops, each (B, F).
        own: Per image its prototype at every level; None in the warm-up.
        draws: Per view (instances, prototypes), as of ``Draw``; None in the warm-up.
    """

    views: Sequence[Tensor]
    own: Sequence[Sequence[int]] | None = None
    draws: Sequence | None = None


class SlowTraining:
    """Weights, momenta and queue of one run: the same on all ranks.

    Args:
        weights: (W₁, b₁, W₂, b₂) of query and key encoder, or (W₁, b₁, γ, β, W₂, b₂) with batch
            norm before the ReLU, over the images that a rank encodes at once.
        queue: (Q, D) first keys.
        momentum: Share of the query encoder in each update of the key encoder.
        temperature: τ.
    """

    def __init__(
        self, weights: list[Tensor], queue: Tensor, momentum: float, temperature: float
    ) -> None:
        self.query = [value.detach().clone().double() for value in weights]
        self.key = [value.clone() for value in self.query]
        self.velocity: list[Tensor | None] = [None] * len(weights)
        self.queue = [row.clone() for row in queue.double()]
        self.position = 0
        self.momentum, self.temperature = momentum, temperature

    def step(self, batches, hierarchy=None, shares=None, *, lr: float) -> list[dict[str, float]]:
        """Train on a batch of each rank.

        Args:
            batches: One :class:`Batch` per rank.
            hierarchy: [(prototypes, φ) per level]; None in the warm-up.
            shares: Per rank, which key images, counted over all ranks in rank order, it encodes;
                by default its own.
            lr: Learning rate; SGD momentum 0.9, weight decay 1e-4.

        Returns:
            The losses of each rank.
        """
        kept = 1 - self.momentum
        self.key = [
            kept * key + self.momentum * query
            for key, query in zip(self.key, self.query, strict=True)
        ]
        keys = self._keys([batch.views[1] for batch in batches], shares)
        weights = [value.clone().requires_grad_() for value in self.query]
        losses = [
            self._losses(batch, mine, weights, hierarchy)
            for batch, mine in zip(batches, keys, strict=True)
        ]
        total = sum(sum(of_rank.values()) for of_rank in losses)
        self._descend(torch.autograd.grad(total / len(batches), weights), lr)
        for mine in keys:
            for key in mine:
                self.queue[self.position] = key
                self.position = (self.position + 1) % len(self.queue)
        return [{name: float(v.detach()) for name, v in of_rank.items()} for of_rank in losses]

    def _keys(self, views: Sequence[Tensor], shares) -> list[list[Tensor]]:
        """Per rank the keys of its own images, whoever has encoded them."""
        images = [image for view in views for image in view]
        starts = [sum(map(len, views[:rank])) for rank in range(len(views))]
        own = [
            list(range(start, start + len(view))) for start, view in zip(starts, views, strict=True)
        ]
        found = {}
        for share in own if shares is None else shares:
            embedded = self._embed([images[number] for number in share], self.key)
            found.update(zip(share, embedded, strict=True))
        return [[found[number] for number in numbers] for numbers in own]

    def _losses(self, batch: Batch, keys, weights, hierarchy) -> dict[str, Tensor]:
        losses = {}
        for number, view in enumerate([batch.views[0], *batch.views[2:]]):
            queries = self._embed(view, weights)
            prefix = "loss_" if number == 0 else "loss_local_"
            draw = None if batch.draws is None else batch.draws[number]
            self._add(losses, f"{prefix}instance", self._instances(queries, keys, draw))
            if hierarchy is not None:
                found = self._prototypes(queries, hierarchy, batch.own, draw)
                self._add(losses, f"{prefix}prototype", found)
        return losses

    def _descend(self, gradients: Sequence[Tensor], lr: float) -> None:
        for index, (weight, gradient) in enumerate(zip(self.query, gradients, strict=True)):
            slope = gradient + 1e-4 * weight
            before = self.velocity[index]
            self.velocity[index] = slope if before is None else 0.9 * before + slope
            self.query[index] = weight - lr * self.velocity[index]

    @staticmethod
    def _add(losses: dict[str, Tensor], name: str, value: Tensor) -> None:
        losses[name] = losses[name] + value if name in losses else value

    @staticmethod
    def _embed(images: Sequence[Tensor], weights: list[Tensor]) -> list[Tensor]:
        first, bias, *norm, second, last_bias = weights
        hidden = [first @ image + bias for image in images]
        if norm:
            gain, shift = norm
            mean = sum(hidden) / len(hidden)
            variance = sum((row - mean) ** 2 for row in hidden) / len(hidden)
            hidden = [(row - mean) / (variance + 1e-5).sqrt() * gain + shift for row in hidden]
        embeddings = [second @ row.clamp(min=0) + last_bias for row in hidden]
        return [embedding / embedding.pow(2).sum().sqrt() for embedding in embeddings]

    def _instances(self, queries, keys, draw) -> Tensor:
        """Summed over the levels; over none of them one plain term."""
        levels = [None] if draw is None or not draw.instances else list(draw.instances)
        total = torch.zeros((), dtype=torch.float64)
        for keep in levels:
            for row, (query, key) in enumerate(zip(queries, keys, strict=True)):
                logits = [query @ key / self.temperature]
                for column, negative in enumerate(self.queue):
                    logit = query @ negative / self.temperature
                    is_kept = keep is None or bool(keep[row, column])
                    logits.append(logit if is_kept else 0.0 * logit)
                total = total + self._cross_entropy(logits) / len(queries)
        return total

    def _prototypes(self, queries, hierarchy, own, draw) -> Tensor:
        """Averaged over the levels; no positive of the batch is anybody's negative."""
        total = torch.zeros((), dtype=torch.float64)
        for level, (prototypes, phi) in enumerate(hierarchy):
            positives = {path[level] for path in own}
            for row, query in enumerate(queries):
                mine = own[row][level]
                logits = [query @ prototypes[mine] / phi[mine]]
                for number, prototype in enumerate(prototypes):
                    if number in positives:
                        continue
                    logit = query @ prototype / phi[number]
                    drawn = level < len(draw.prototypes)
                    is_kept = not drawn or bool(draw.prototypes[level][row, number])
                    logits.append(logit if is_kept else 0.0 * logit)
                total = total + self._cross_entropy(logits) / len(queries)
        return total / len(hierarchy)

    @staticmethod
    def _cross_entropy(logits: list[Tensor]) -> Tensor:
        """Of the first one."""
        return torch.logsumexp(torch.stack(logits), 0) - logits[0]
