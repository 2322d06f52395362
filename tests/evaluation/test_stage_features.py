"""Features of several checkpoints side by side, in the loop that measures them."""

from __future__ import annotations

import pytest
import torch
from tiny import ROOT, largest_difference, tiny_config, train
from torch.nn.functional import normalize

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import extract_feature_set
from hcsc_mm.evaluation.stage_features import extract_with_stages
from hcsc_mm.runtime.launch import build_runner, load_config
from hcsc_mm.stages.prepare import fit_to_pretraining
from hcsc_mm.utils.models import unwrapped


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Of two short runs with other seeds."""
    found = []
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp(f"stage{seed}")
        train(tiny_config(folder, train_cfg__max_epochs=1, randomness__seed=seed))
        found.append(str(folder / "epoch_1.pth"))
    return found


def test_runner(tmp_path, checkpoint, **options):
    cfg = load_config(str(ROOT / "configs" / "benchmarks" / "knn_digits.py"))
    fit_to_pretraining(cfg, tiny_config(tmp_path / "unused"), checkpoint)
    cfg.merge_from_dict({"test_dataloader.dataset.indices": 40, "log_level": "WARNING", **options})
    cfg.test_cfg.train_dataloader.dataset.indices = 60
    cfg.work_dir, cfg.launcher = str(tmp_path / "run"), "none"
    return build_runner(cfg)


test_runner.__test__ = False  # pytest takes it for a test


def features_of(tmp_path, checkpoint, stages=()):
    runner = test_runner(tmp_path, checkpoint)
    loop = runner.build_test_loop(runner._test_loop)
    runner.load_or_resume()
    model = unwrapped(runner.model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = extract_with_stages(model, loop.dataloader, stages)
    assert largest_difference(before, model.state_dict()) == 0
    return found, extract_feature_set(model, loop.dataloader)


def test_each_stage_has_its_columns_and_the_model_its_own_weights_again(tmp_path, checkpoints):
    first, second = checkpoints
    found, own = features_of(tmp_path / "a", second, [first])
    _, other = features_of(tmp_path / "b", first)
    expected = torch.cat([normalize(one.features, dim=1) for one in (other, own)], dim=1)
    torch.testing.assert_close(found.features, expected)
    assert torch.equal(found.labels, own.labels) and found.features.shape == (40, 64)
    alone, own = features_of(tmp_path / "c", second)
    assert torch.equal(alone.features, own.features)


def test_the_loop_measures_all_stages_together(tmp_path, checkpoints):
    alone = test_runner(tmp_path / "a", checkpoints[1]).test()
    both = test_runner(tmp_path / "b", checkpoints[1], **{"test_cfg.stages": [checkpoints[0]]})
    assert alone.keys() == both.test().keys()
    same = test_runner(tmp_path / "c", checkpoints[1], **{"test_cfg.stages": [checkpoints[1]]})
    assert same.test() == alone  # the same directions twice


def test_a_stage_that_does_not_fit_is_refused_before_any_feature(tmp_path, checkpoints):
    torch.save({"state_dict": {"backbone.conv1.weight": torch.zeros(1)}}, tmp_path / "x.pth")
    stages = {"test_cfg.stages": [str(tmp_path / "x.pth")]}
    with pytest.raises(HCSCError, match="of another architecture"):
        test_runner(tmp_path, checkpoints[0], **stages).test()
