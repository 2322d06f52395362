"""InterCLR's draws and loss against loops over numbers, and the model in training."""

import math

import pytest
import torch
from cases import random_hierarchy
from contrast_cases import check_against_oracle, cross_entropy, dot, embeddings, rows
from mmengine.config import ConfigDict
from mmpretrain.structures import DataSample
from tiny import tiny_config, train
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import InfoNCEHead, ProjectionNeck
from hcsc_mm.models.selfsup import InterCLR
from hcsc_mm.models.selfsup.interclr import draw_positives, draw_semi_hard, inter_image_loss
from hcsc_mm.structures import ClustersImages


def tiny_interclr(**options) -> InterCLR:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = InterCLR(backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), queue_len=20, **options)
    model.init_weights()
    return model


@pytest.mark.parametrize("margin", [-0.5, 0.0, 0.3])
def test_loss_and_gradient_equal_the_slow_oracle(margin):
    query, _, keys = embeddings()
    positive = torch.tensor([2, 0, 5]), torch.tensor([True, True, False])
    negative = (
        torch.tensor([[0, 1, 8], [3, 4, 6], [1, 2, 3]]),
        torch.tensor([[True, True, False], [True, True, True], [True, True, True]]),
    )

    def slow(queries) -> float:
        total = 0.0
        for row, z in enumerate(queries):
            if not positive[1][row]:
                continue
            counted = zip(negative[0][row].tolist(), negative[1][row].tolist(), strict=True)
            logits = [dot(z, rows(keys)[j]) / 0.2 for j, counts in counted if counts]
            own = (dot(z, rows(keys)[positive[0][row]]) - margin) / 0.2
            total += cross_entropy(own, logits)
        return total / len(queries)

    check_against_oracle(
        lambda z: inter_image_loss(z @ keys.T, positive, negative, 0.2, margin), slow, query
    )


def test_a_positive_is_each_key_of_the_cluster_equally_often():
    same = torch.tensor([[True, False, True, True], [False] * 4])
    counts = torch.zeros(4)
    for _ in range(3000):
        entries, found = draw_positives(same)
        assert found.tolist() == [True, False]
        counts[entries[0]] += 1
    assert counts[1] == 0
    assert (counts[[0, 2, 3]] - 1000).abs().max() < 5 * math.sqrt(3000 * 2 / 9)


def test_negatives_are_drawn_alike_from_the_most_similar_that_are_allowed():
    similarities = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    allowed = torch.tensor([[True, False, True, True, True, True]])
    counts = torch.zeros(6)
    for _ in range(3000):
        entries, found = draw_semi_hard(similarities, allowed, 3, 2)
        assert found.all() and len(set(entries[0].tolist())) == 2
        counts[entries[0]] += 1
    assert counts[[1, 4, 5]].tolist() == [0, 0, 0]
    assert (counts[[0, 2, 3]] - 2000).abs().max() < 5 * math.sqrt(3000 * 2 / 9)


def test_too_few_allowed_keys_are_marked():
    allowed = torch.tensor([[False, True, False, False]])
    entries, found = draw_semi_hard(torch.rand(1, 4), allowed, 3, 2)
    assert found.sum() == 1 and entries[found].tolist() == [1]


def test_both_losses_add_up_by_their_weights_once_there_are_clusters():
    model, images = tiny_interclr(pool_share=1.0, drawn_share=1.0), torch.randn(4, 3, 6, 6)
    samples = [DataSample(metainfo={"sample_idx": index}) for index in (30, 2, 11, 5)]
    assert set(model.loss([images, images], samples)) == {"loss_instance"}
    model.set_hierarchy(random_hierarchy(num_prototypes=(3, 2), dim=8))
    query, key = model.encode_query(images), model.encode_key(images)
    plain = model.head.loss([query], key, model.queue.keys)["loss_instance"]
    losses = model.contrast([query], key, samples)
    assert set(losses) == {"loss_instance", "loss_inter"}
    torch.testing.assert_close(losses["loss_instance"], 0.75 * plain)
    # Keys of images are 4 of 20: a positive is one of them, negatives are the others' clusters'.
    groups = model.hierarchy.path([30, 2, 11, 5])[0].tolist()
    own_keys = rows(model.queue.keys[:4])
    choices = []
    for row, z in enumerate(rows(query)):
        others = [
            dot(z, k) / 0.2
            for k, group in zip(own_keys, groups, strict=True)
            if group != groups[row]
        ]
        choices.append(
            [
                cross_entropy((dot(z, k) + 0.5) / 0.2, others)
                for k, group in zip(own_keys, groups, strict=True)
                if group == groups[row]
            ]
        )
    low, high = (sum(pick(values) for values in choices) / 16 for pick in (min, max))
    assert low - 1e-5 <= losses["loss_inter"].item() <= high + 1e-5


def test_hooks_take_it_for_a_model_that_clusters():
    assert isinstance(tiny_interclr(), ClustersImages)


def test_impossible_options_are_refused():
    with pytest.raises(HCSCError, match=r"inter_weight=2 of InterCLR must lie in \[0, 1\]"):
        tiny_interclr(inter_weight=2)
    with pytest.raises(HCSCError, match=r"drawn_share=0 of InterCLR must lie in \(0, 1\]"):
        tiny_interclr(drawn_share=0)
    with pytest.raises(HCSCError, match="level=3 of InterCLR: the tree has the levels 0 to 2"):
        tiny_interclr(level=3).set_hierarchy(random_hierarchy(dim=8))


@pytest.mark.parametrize("symmetric", [False, True])
def test_online_labels_are_the_nearest_prototypes_of_the_newest_keys(symmetric):
    model = tiny_interclr(online=True, level=1, symmetric=symmetric)
    tree = random_hierarchy(num_prototypes=(6, 3), dim=8)
    model.set_hierarchy(tree)
    before, images = tree.path(range(40))[1], [30, 2, 11, 5]
    samples = [DataSample(metainfo={"sample_idx": index}) for index in images]
    model.loss([torch.randn(4, 3, 6, 6) for _ in range(2)], samples)
    expected = before.tolist()
    for image, key in zip(images, rows(model.newest_keys(4)), strict=True):
        similar = [dot(key, prototype) for prototype in rows(tree.prototypes[1])]
        expected[image] = similar.index(max(similar))
    assert model.resume_state()["groups"].tolist() == expected != before.tolist()
    other = tiny_interclr(online=True, level=1)
    other.set_hierarchy(tree)
    other.load_resume_state(model.resume_state())
    assert other.resume_state()["groups"].tolist() == expected
    model.set_hierarchy(tree)  # the next clustering's labels
    assert model.resume_state()["groups"].tolist() == before.tolist()


@pytest.mark.parametrize("online", [False, True])
def test_a_run_clusters_resumes_and_goes_on_with_equal_numbers(tmp_path, online):
    """Online labels of the second epoch are those that the third one goes on with."""

    def config(epochs):
        cfg = tiny_config(tmp_path / "run", train_cfg__max_epochs=epochs, param_scheduler=[])
        cfg.model.type, cfg.model.online = "hcsc_mm.InterCLR", online
        cfg.model.head = ConfigDict(type="hcsc_mm.InfoNCEHead")
        cfg.default_hooks.clustering.interval = 2
        return cfg

    _, whole = train(config(3))
    assert whole.loss_names[0] == {"loss", "loss_instance"}
    assert whole.loss_names[-1] == {"loss", "loss_instance", "loss_inter"}
    cfg = config(3)
    cfg.resume, cfg.load_from = True, str(tmp_path / "run" / "epoch_2.pth")
    _, rest = train(cfg)
    assert rest.losses == whole.losses[12:]
