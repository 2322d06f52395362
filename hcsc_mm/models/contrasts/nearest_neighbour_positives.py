"""NNCLR: the positive is not the image's own key but the queue's key that is nearest to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...registry import MODELS
from ...utils.precision import full_precision
from ..losses import selective_info_nce
from .pairs import Pairs


@MODELS.register_module()
class NearestNeighbourPositives(nn.Module):
    """Nearest-neighbour contrastive learning (NNCLR, Dwibedi et al., ICCV 2021).

    NN(z, Q) = argmin over q in Q of ‖z − q‖₂ takes the place of z as the positive. Here z is the
    key and Q the queue of MoCo, where the paper has the other view's embedding of one encoder, a
    support set and the batch as negatives; the loss is otherwise MoCo's, with the queue as
    negatives. The neighbour, one of the queue itself, is no negative of its query.

    A neighbour that HCSC's draw rejects as a negative, being probably of the query's cluster, is
    its positive all the same. The queue begins with random directions: until
    it has been filled once, the neighbours are random.
    """

    rejected_rules = ("zero", "absent")

    def forward(self, pairs: Pairs) -> Tensor:
        """() mean over the batch."""
        with torch.no_grad(), full_precision(pairs.keys.device):
            nearest = (pairs.key @ pairs.keys.T).argmax(dim=1, keepdim=True)  # (B, 1)
        positive = pairs.negative.gather(1, nearest).squeeze(1)
        negative = pairs.negative.scatter(1, nearest, float("-inf"))
        return selective_info_nce(positive, negative, pairs.keep, rejected=pairs.rejected)
