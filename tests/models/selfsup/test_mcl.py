"""MCL's groups and negatives against loops over numbers, and its stages one after the other."""

import math

import pytest
import step_workers
import torch
from contrast_cases import cross_entropy, dot, rows
from distributed_workers import run_on_ranks
from mmengine.config import ConfigDict
from mmpretrain.structures import DataSample
from tiny import tiny_config, train
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.engine import EarlierStagesHook
from hcsc_mm.engine.hooks.earlier_stages_hook import combined
from hcsc_mm.models import InfoNCEHead, ProjectionNeck
from hcsc_mm.models.selfsup import MCL
from hcsc_mm.structures import TakesEarlierGroups
from hcsc_mm.utils.safe_load import load_data


def tiny_mcl(**options) -> MCL:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    model = MCL(backbone, ProjectionNeck(4, 16, 8), InfoNCEHead(), queue_len=12, **options)
    model.init_weights()
    return model


def samples(*indices):
    return [DataSample(metainfo={"sample_idx": index}) for index in indices]


@pytest.mark.parametrize("symmetric", [False, True])
def test_every_key_of_the_queue_has_its_images_number(symmetric):
    model = tiny_mcl(symmetric=symmetric)
    expected = [-1] * 12
    place = 0
    for indices in ((3, 9, 4), (1, 0, 8), (7, 2, 6)):
        images = torch.randn(3, 3, 6, 6)
        model.loss([images, images], samples(*indices))
        for index in indices * (2 if symmetric else 1):
            expected[place % 12] = index
            place += 1
    assert model.key_images.tolist() == expected
    again = tiny_mcl()
    again.load_state_dict(model.state_dict())
    assert again.key_images.tolist() == expected


@pytest.mark.parametrize("name", ["name_keys", "name_keys_of_both_views"])
def test_two_ranks_name_the_keys_of_both(tmp_path, name):
    times = 1 if name == "name_keys" else 2
    expected = [-1] * 16
    ring = [10 * step + index for step in range(3) for index in [0, 1, 2, 3] * times]
    for place, index in enumerate(ring):
        expected[place % 16] = index
    for rank in run_on_ranks([getattr(step_workers, name)], 2, tmp_path):
        assert rank[name]["named"] == expected
        torch.testing.assert_close(rank[name]["keys"], rank[name]["expected"])


def test_loss_and_gradient_are_those_of_the_negatives_of_the_own_group():
    model = tiny_mcl().double()
    groups = [0, 1, 0, 1, 0, 1, 2, 2, 1, 0]
    model.set_earlier_groups(torch.tensor(groups))
    model.key_images.copy_(torch.tensor([0, 1, 2, 3, 4, 5, 7, 8, 9, -1, -1, -1]))
    generator = torch.Generator().manual_seed(1)
    query, key = (
        torch.nn.functional.normalize(torch.randn(3, 8, generator=generator).double(), dim=1)
        for _ in range(2)
    )
    images = (3, 4, 6)
    leaf = query.clone().requires_grad_()
    losses = model.contrast([leaf], key, samples(*images))
    losses["loss_instance"].backward()

    def slow(queries) -> float:
        total = 0.0
        for z, own, image in zip(queries, rows(key), images, strict=True):
            negatives = [
                dot(z, k) / 0.2
                for k, of in zip(rows(model.queue.keys), model.key_images.tolist(), strict=True)
                if of >= 0 and groups[of] == groups[image]
            ]
            total += cross_entropy(dot(z, own) / 0.2, negatives) / 3
        return total

    assert losses["loss_instance"].item() == pytest.approx(slow(rows(query)), rel=1e-6)
    for row in range(3):
        for column in range(8):
            ends = []
            for step in (1e-6, -1e-6):
                moved = query.clone()
                moved[row, column] += step
                ends.append(slow(rows(moved)))
            expected = (ends[0] - ends[1]) / 2e-6
            assert leaf.grad[row, column].item() == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert losses["kept_instances"].item() == pytest.approx((4 + 4 + 1) / 36)


def test_a_query_without_negatives_of_its_group_has_no_loss():
    model, images = tiny_mcl(), torch.randn(2, 3, 6, 6)
    model.set_earlier_groups(torch.tensor([0, 1]))
    assert model.loss([images, images], samples(0, 1))["loss_instance"] == 0


def test_stages_combine_to_groups_that_no_stage_tells_apart():
    one, other = torch.tensor([0, 0, 5, 5, 0]), torch.tensor([1, 2, 1, 1, 1])
    assert combined([one, other]).tolist() == [0, 1, 2, 2, 0]
    assert combined([one]).tolist() == [0, 0, 1, 1, 0]


def stage(work_dir, checkpoints, **options):
    cfg = tiny_config(work_dir, train_cfg__max_epochs=2, param_scheduler=[])
    cfg.model.type = "hcsc_mm.MCL"
    cfg.model.head = ConfigDict(type="hcsc_mm.InfoNCEHead")
    cfg.default_hooks.clustering.warmup_epochs = 1  # and once more at the end
    hook = dict(type="hcsc_mm.EarlierStagesHook", checkpoints=checkpoints, **options)
    cfg.default_hooks.earlier_stages = hook
    return cfg


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    train(tiny_config(folder, train_cfg__max_epochs=2))
    return str(folder / "epoch_2.pth")


def test_a_stage_trains_on_the_groups_of_the_first_ones_tree(tmp_path, first_stage):
    runner, record = train(stage(tmp_path / "run", [first_stage], level=1))
    final = load_data(first_stage)["hierarchical_clustering"]["final"]["hierarchy"]
    own = final["parents"][0][final["assignment"].long()].tolist()
    groups = runner.model._groups.tolist()
    assert [[a == b for a in own] for b in own] == [[a == b for a in groups] for b in groups]
    assert record.losses[0] == 0  # no key of an image yet
    assert all(math.isfinite(loss) and loss > 0 for loss in record.losses[1:])
    assert isinstance(runner.model, TakesEarlierGroups)


def test_a_third_stage_finds_the_tree_of_the_second(tmp_path, first_stage):
    train(stage(tmp_path / "second", [first_stage]))
    second = str(tmp_path / "second" / "epoch_2.pth")
    runner, record = train(stage(tmp_path / "third", [first_stage, second]))
    assert runner.model._groups.max() in range(3, 9)  # combinations of 3 and 3 clusters
    assert all(math.isfinite(loss) for loss in record.losses)


def test_without_earlier_stages_it_is_moco_v2(tmp_path):
    losses = []
    for name in ("MomentumContrast", "MCL"):
        cfg = stage(tmp_path / name, [])
        cfg.model.type = f"hcsc_mm.{name}"
        cfg.default_hooks.clustering = None
        losses.append(train(cfg)[1].losses)
    assert losses[0] == losses[1]


def test_an_impossible_stage_is_refused_before_the_first_step(tmp_path, first_stage):
    with pytest.raises(HCSCError, match=r"there is no checkpoint nowhere\.pth; correct its path"):
        train(stage(tmp_path / "a", ["nowhere.pth"]))
    with pytest.raises(HCSCError, match=r"level=3 of EarlierStagesHook: .* levels 0 to 2"):
        train(stage(tmp_path / "b", [first_stage], level=3))
    other = stage(tmp_path / "c", [first_stage])
    other.train_dataloader.dataset.indices = 90
    with pytest.raises(HCSCError, match="over 100 images, and this training over 90"):
        train(other)
    moco = stage(tmp_path / "d", [first_stage])
    moco.model.type = "hcsc_mm.MomentumContrast"
    moco.default_hooks.clustering = None
    with pytest.raises(HCSCError, match=r"such as hcsc_mm\.MCL"):
        train(moco)
    assert EarlierStagesHook().before_train(None) is None  # the first stage asks for nothing
