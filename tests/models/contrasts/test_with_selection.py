"""Every contrast beside a rule of selection: what is rejected is no negative, whatever it is."""

import pytest
import torch
from contrast_cases import CONTRASTS, embeddings, pairs_of, some_kept

# A negative that is most similar becomes a positive in these, or is none.
POSITIVES = ("nnclr", "eliminated", "attracted")


def loss_and_gradient(contrast, query, key, keys, **options):
    leaf = query.clone().requires_grad_()
    torch.manual_seed(0)
    loss = contrast(pairs_of(leaf, key, keys, **options))
    loss.backward()
    return loss.detach(), leaf.grad


def far_from(key, count):
    """Keys that are no neighbour of any key: what NNCLR's positive could be is not asked here."""
    away = -key.mean(dim=0, keepdim=True) + 0.1 * torch.rand(
        count, key.shape[1], generator=torch.Generator().manual_seed(7), dtype=key.dtype
    )
    return torch.nn.functional.normalize(away, dim=1)


RULES = [
    (name, rejected) for name, contrast in CONTRASTS.items() for rejected in contrast.rejected_rules
]


@pytest.mark.parametrize(("name", "rejected"), RULES)
def test_a_key_that_all_queries_reject_may_be_any_vector(name, rejected):
    query, key, keys = embeddings()
    keep = some_kept()
    keep[:, [5, 7]] = False
    keep[:, [0, 1, 2]] = True
    options = dict(keep=keep, rejected=rejected)
    keys[[5, 7]] = far_from(key, 2)
    loss, gradient = loss_and_gradient(CONTRASTS[name], query, key, keys, **options)
    keys[[5, 7]] = keys[[7, 5]].flip(1) * 0.5
    other, other_gradient = loss_and_gradient(CONTRASTS[name], query, key, keys, **options)
    torch.testing.assert_close(loss, other)
    torch.testing.assert_close(gradient, other_gradient)


@pytest.mark.parametrize(("name", "rejected"), [rule for rule in RULES if rule[0] not in POSITIVES])
def test_a_kept_key_does_count(name, rejected):
    query, key, keys = embeddings()
    keep = torch.ones(3, 9, dtype=torch.bool)
    loss, _ = loss_and_gradient(CONTRASTS[name], query, key, keys, keep=keep, rejected=rejected)
    keys[0] = query[0]  # the hardest of the first query
    harder, _ = loss_and_gradient(CONTRASTS[name], query, key, keys, keep=keep, rejected=rejected)
    assert harder > loss


@pytest.mark.parametrize("name", [name for name in CONTRASTS if name not in ("cacr", "groco")])
def test_with_all_negatives_rejected_and_absent_no_loss_is_left(name):
    query, key, keys = embeddings()
    options = dict(keep=torch.zeros(3, 9, dtype=torch.bool), rejected="absent")
    loss, gradient = loss_and_gradient(CONTRASTS[name], query, key, keys, **options)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))
