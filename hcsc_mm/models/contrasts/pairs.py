"""What a contrast is given: one view's queries, their positives and the negatives that count."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """One view of a batch against its keys and the queue.

    Attributes:
        query: (B, D), unit length, with gradient; float32 or wider.
        key: (B, D) of the same images, unit length, without gradient.
        keys: (Q, D) of the queue, unit length, without gradient.
        positive: (B,) logits query·key / τ.
        negative: (B, Q) logits query·keys / τ.
        temperature: τ, above 0.
        views: (V, B, D) of all query views of the batch's images, unit length, with gradient.
        view: Which of them ``query`` is.
        keep: (B, Q) bool, True = a negative; None keeps all.
        rejected: What a rejected negative leaves in the denominator, as in
            :func:`selective_info_nce`.
    """

    query: Tensor
    key: Tensor
    keys: Tensor
    positive: Tensor
    negative: Tensor
    temperature: float
    views: Tensor
    view: int = 0
    keep: Tensor | None = None
    rejected: str = "zero"

    def kept(self) -> Tensor:
        """(B, Q) negative logits, −inf in place of those that are rejected."""
        if self.keep is None:
            return self.negative
        return self.negative.masked_fill(~self.keep, float("-inf"))

    @torch.no_grad()
    def hardest(self, number: int) -> tuple[Tensor, Tensor]:
        """The kept negatives that are most similar to each query.

        Returns:
            (B, n) int64 entries of the queue, the hardest first, n = min(number, Q); and as many
            bool, False where a query has kept fewer and a rejected one stands in.
        """
        best, entries = self.kept().topk(min(number, self.negative.shape[1]), dim=1)
        return entries, ~best.isneginf()
