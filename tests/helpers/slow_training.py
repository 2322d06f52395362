"""HCSC's training step once more, image by image and in float64, from the description of the
released arithmetic and not from the package: encoders, momentum, losses, queue and SGD.

Its encoder is a perceptron; draws are given, so that nothing depends on who draws.
"""

from __future__ import annotations

import torch
from torch import Tensor


def keep_probabilities(candidates: Tensor, prototypes: Tensor, phi: Tensor, anchor: int) -> Tensor:
    """(M,) 1 − softmax_i(x·c_i / φ_i)[anchor], without clamp."""
    rows = [
        torch.softmax(torch.stack([x @ c / f for c, f in zip(prototypes, phi, strict=True)]), 0)
        for x in candidates
    ]
    return torch.stack([1 - row[anchor] for row in rows])


class SlowTraining:
    """Weights, momenta and queue of one run.

    Args:
        weights: (W₁, b₁, W₂, b₂) of query and key encoder.
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

    def step(self, views, hierarchy=None, own=None, draws=None, *, lr: float) -> dict[str, float]:
        """Train on one batch.

        Args:
            views: Query crop, key crop, local crops, each (B, F).
            hierarchy: [(prototypes, φ) per level]; None in the warm-up.
            own: Per image its prototype at every level.
            draws: Per view (instances, prototypes), as of ``Draw``.
            lr: Learning rate; SGD momentum 0.9, weight decay 1e-4.
        """
        kept = 1 - self.momentum
        self.key = [
            kept * key + self.momentum * query
            for key, query in zip(self.key, self.query, strict=True)
        ]
        weights = [value.clone().requires_grad_() for value in self.query]
        keys = [self._embed(image, self.key) for image in views[1]]
        losses = {}
        for number, view in enumerate([views[0], *views[2:]]):
            queries = [self._embed(image, weights) for image in view]
            prefix = "loss_" if number == 0 else "loss_local_"
            draw = None if draws is None else draws[number]
            self._add(losses, f"{prefix}instance", self._instances(queries, keys, draw))
            if hierarchy is not None:
                found = self._prototypes(queries, hierarchy, own, draw)
                self._add(losses, f"{prefix}prototype", found)
        gradients = torch.autograd.grad(sum(losses.values()), weights)
        for index, (weight, gradient) in enumerate(zip(self.query, gradients, strict=True)):
            slope = gradient + 1e-4 * weight
            before = self.velocity[index]
            self.velocity[index] = slope if before is None else 0.9 * before + slope
            self.query[index] = weight - lr * self.velocity[index]
        for key in keys:
            self.queue[self.position] = key
            self.position = (self.position + 1) % len(self.queue)
        return {name: float(value.detach()) for name, value in losses.items()}

    @staticmethod
    def _add(losses: dict[str, Tensor], name: str, value: Tensor) -> None:
        losses[name] = losses[name] + value if name in losses else value

    @staticmethod
    def _embed(image: Tensor, weights: list[Tensor]) -> Tensor:
        hidden = (weights[0] @ image + weights[1]).clamp(min=0)
        embedding = weights[2] @ hidden + weights[3]
        return embedding / embedding.pow(2).sum().sqrt()

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
