"""What may be combined: every contrast in every model, for a few steps."""

from __future__ import annotations

import copy

import pytest
import torch
from cases import random_hierarchy
from contrast_cases import CONTRASTS, embeddings, pairs_of
from mmpretrain.structures import DataSample
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.clustering.independent_kmeans import IndependentClusterings
from hcsc_mm.models import HCSC, PCL, HCSCHead, InfoNCEHead, MomentumContrast, ProjectionNeck
from hcsc_mm.models.heads import PathHead
from hcsc_mm.models.selfsup import HIRL, MCL, InterCLR

TREE = random_hierarchy(num_prototypes=(6, 3), dim=8)
FLAT = IndependentClusterings((random_hierarchy(num_prototypes=(5,), dim=8),))


def of(kind, head, prepare=lambda model: None, **options):
    def build(contrast):
        backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        neck = ProjectionNeck(4, 16, 8)
        model = kind(backbone, neck, head(copy.deepcopy(contrast)), queue_len=24, **options)
        model.init_weights()
        prepare(model)
        return model

    return build


def plain(contrast):
    return InfoNCEHead(contrast=contrast)


def hcsc_head(rule):
    return lambda contrast: HCSCHead(rule=rule, contrast=contrast)


def clusters(model):
    model.set_hierarchy(TREE)


MODELS = {
    "moco": of(MomentumContrast, plain),
    "symmetric": of(MomentumContrast, plain, symmetric=True),
    "hcsc released": of(HCSC, hcsc_head({"exclude": "own"}), clusters),
    "hcsc paper": of(HCSC, hcsc_head("paper"), clusters),
    "pcl": of(PCL, plain, lambda model: model.set_hierarchy(FLAT)),
    "interclr": of(InterCLR, plain, clusters, pool_share=0.5),
    "hirl": of(HIRL, lambda contrast: PathHead(8, 2, 20, contrast=contrast), clusters),
    "mcl": of(MCL, plain, lambda model: model.set_earlier_groups(TREE.path(range(40))[1])),
}


def steps(model, num_local, number=6):
    """Total losses of so many steps of SGD."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    totals = []
    for step in range(number):
        images = torch.randn(4, 3, 8, 8)
        views = [images + 0.1 * torch.randn_like(images) for _ in range(2)]
        views += [images[..., :6, :6] for _ in range(num_local)]
        samples = [DataSample(metainfo={"sample_idx": 4 * step + place}) for place in range(4)]
        losses = model.loss(views, samples)
        total = sum(value for name, value in losses.items() if "loss" in name)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.detach())
    return torch.stack(totals)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_a_contrast_trains_in_a_model_with_and_without_local_views(model, contrast):
    zero = model == "hcsc released"
    if zero and "zero" not in CONTRASTS[contrast].rejected_rules:
        with pytest.raises(HCSCError, match=r"has no denominator .* set model\.head\.rule=paper"):
            MODELS[model](CONTRASTS[contrast])
        return
    for num_local in (0,) if model == "symmetric" else (0, 2):
        built = MODELS[model](CONTRASTS[contrast])
        before = copy.deepcopy(built.backbone.state_dict())
        totals = steps(built, num_local)
        assert totals.isfinite().all()
        after = built.backbone.state_dict()
        assert all(weight.isfinite().all() for weight in after.values())
        assert any(not torch.equal(before[name], weight) for name, weight in after.items())


@pytest.mark.parametrize("name", CONTRASTS)
def test_queries_that_follow_the_gradient_have_less_loss(name):
    query, key, keys = embeddings(batch=6, queue=40, dim=8)
    free = query.clone().requires_grad_()
    losses = []
    for _ in range(30):
        torch.manual_seed(0)  # the same mixtures each time
        loss = CONTRASTS[name](pairs_of(torch.nn.functional.normalize(free, dim=1), key, keys))
        (gradient,) = torch.autograd.grad(loss, free)
        with torch.no_grad():
            free -= 0.1 * gradient
        losses.append(loss.item())
    assert losses[-1] < losses[0]
