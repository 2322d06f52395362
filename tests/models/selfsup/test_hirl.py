"""HIRL's path loss against loops over numbers, and the model in training."""

import math

import pytest
import step_workers
import torch
from cases import random_hierarchy, unit_rows
from contrast_cases import check_against_oracle, rows
from distributed_workers import run_on_ranks
from mmengine.config import ConfigDict
from mmpretrain.structures import DataSample
from paths import TREE, paths_of, slow_loss
from tiny import tiny_config, train
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import ProjectionNeck
from hcsc_mm.models.heads import PathHead
from hcsc_mm.models.heads.path_head import path_discrimination
from hcsc_mm.models.selfsup import HIRL
from hcsc_mm.structures import ClustersImages


def test_loss_and_gradient_equal_the_slow_oracle():
    projected = unit_rows(4, 15, seed=3).double()  # three levels of five numbers side by side
    own = torch.tensor([0, 5, 2, 2])
    others = torch.tensor([[0, 1, 2, 3], [4, 4, 1, 0], [2, 2, 2, 2], [5, 2, 1, 1]])

    def fast(x):
        levels = x.split(5, dim=1)
        scores = [
            one @ prototypes.double().T
            for one, prototypes in zip(levels, TREE.prototypes, strict=True)
        ]
        return path_discrimination(scores, paths_of(own), paths_of(others))

    def slow(numbers):
        split = [[one[:5], one[5:10], one[10:]] for one in numbers]
        return slow_loss(split, own.tolist(), others.tolist())

    check_against_oracle(fast, slow, projected)


def head(**options) -> PathHead:
    torch.manual_seed(0)
    return PathHead(5, 3, **{"num_negative_paths": 40, **options}).double()


def test_head_draws_all_leaves_alike_and_projects_for_each_level():
    built, query = head(num_negative_paths=6000), unit_rows(3, 5).double()
    path = TREE.path([4, 7, 30])
    torch.manual_seed(1)
    found = built.path_loss(query, TREE, path)
    torch.manual_seed(1)
    drawn = torch.randint(6, (3, 6000))
    counts = torch.bincount(drawn.flatten(), minlength=6)
    assert (counts - 3000).abs().max() < 5 * math.sqrt(18000 * 5 / 36)
    with torch.no_grad():
        vectors = [
            torch.nn.functional.normalize(project(query), dim=1) for project in built.projections
        ]
    split = [[rows(level)[row] for level in vectors] for row in range(3)]
    expected = slow_loss(split, path[0].tolist(), drawn[:, :300].tolist())
    assert found.item() == pytest.approx(expected, abs=0.01)  # 300 of the 6000
    assert found.dtype == torch.float64


def test_the_own_path_becomes_likely_and_others_unlikely():
    built, query = head(), unit_rows(12, 5).double()
    path = TREE.path(range(12))
    optimizer = torch.optim.SGD(built.parameters(), lr=0.5)
    losses = []
    for _ in range(150):
        loss = built.path_loss(query, TREE, path)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def tiny_hirl(num_levels=2) -> HIRL:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = HIRL(backbone, ProjectionNeck(4, 16, 8), PathHead(8, num_levels, 30), queue_len=20)
    model.init_weights()
    return model


def test_it_is_moco_until_it_has_a_tree_and_then_the_query_view_has_a_path():
    model, images = tiny_hirl(), torch.randn(4, 3, 6, 6)
    samples = [DataSample(metainfo={"sample_idx": index}) for index in (30, 2, 11, 5)]
    assert set(model.loss([images, images], samples)) == {"loss_instance"}
    model.set_hierarchy(random_hierarchy(num_prototypes=(5, 2), dim=8))
    query, key = model.encode_query(images), model.encode_key(images)
    torch.manual_seed(0)
    found = model.contrast([query, query[:, :].flip(0)], key, samples)
    assert set(found) == {"loss_instance", "loss_local_instance", "loss_path"}
    torch.manual_seed(0)
    path = model.hierarchy.path([30, 2, 11, 5])
    torch.testing.assert_close(
        found["loss_path"], model.head.path_loss(query, model.hierarchy, path)
    )
    plain = model.head.loss([query], key, model.queue.keys)["loss_instance"]
    torch.testing.assert_close(found["loss_instance"], plain)


@pytest.mark.parametrize("base", ["", "_on_simsiam", "_on_byol"])
def test_two_ranks_learn_one_model_before_and_after_there_is_a_tree(base, tmp_path):
    worker = getattr(step_workers, f"learn_paths{base}")
    one, other = (rank[worker.__name__] for rank in run_on_ranks([worker], 2, tmp_path))
    plain = ["loss"] if base else ["loss_instance"]
    paths = [*plain, "loss_path"]
    assert one["names"] == [plain, plain, paths, paths]
    for name, value in one["end"].items():
        torch.testing.assert_close(value, other["end"][name])
    for name, value in one["start"].items():  # not even weight decay touches what is not used
        assert torch.equal(value, one["halfway"][name])
        assert not torch.equal(value, one["end"][f"head.projections.{name}"])
    torch.testing.assert_close(one["key"], other["key"])


def test_hooks_take_it_for_a_model_that_clusters_and_keys_share_no_statistics_with_projections():
    model = tiny_hirl()
    assert isinstance(model, ClustersImages)
    assert model.check_training(num_images=1000, total_batch=4) == []


def test_impossible_options_are_refused():
    with pytest.raises(HCSCError, match="num_negative_paths=0 of PathHead must be at least 1"):
        PathHead(8, 2, 0)
    with pytest.raises(HCSCError, match=r"tree has 3; set model\.head\.num_levels=3"):
        tiny_hirl().set_hierarchy(random_hierarchy(dim=8))


def test_a_run_clusters_resumes_and_goes_on_with_equal_numbers(tmp_path):
    def config(epochs):
        cfg = tiny_config(tmp_path / "run", train_cfg__max_epochs=epochs, param_scheduler=[])
        cfg.model.type = "hcsc_mm.HIRL"
        cfg.model.head = ConfigDict(type="hcsc_mm.PathHead", channels=16, num_levels=3)
        return cfg

    _, whole = train(config(3))
    assert whole.loss_names[0] == {"loss", "loss_instance"}
    assert whole.loss_names[-1] == {"loss", "loss_instance", "loss_path"}
    cfg = config(3)
    cfg.resume, cfg.load_from = True, str(tmp_path / "run" / "epoch_2.pth")
    _, rest = train(cfg)
    assert rest.losses == whole.losses[12:]
