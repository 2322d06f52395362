"""Checkpoints that earlier versions wrote load, train on and are evaluated.

Written by 0.1.0, and by the last commit before selection became a class of its own: two epochs of
the digits config with a network of one channel, the second epoch with a hierarchy; the files are
of the end of the second.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
import torch
from tiny import DIGITS, tiny_config, train

from hcsc_mm.runtime import launch
from hcsc_mm.structures import PrototypeHierarchy
from hcsc_mm.structures.checkpoint_entry import saved_tree
from hcsc_mm.utils.safe_load import load_data

DATA = Path(__file__).parent / "data"
SMALL = {
    "model__backbone__stem_channels": 1,
    "model__backbone__base_channels": 1,
    "model__neck__in_channels": 8,
    "model__neck__hid_channels": 8,
    "model__neck__out_channels": 8,
}


@pytest.fixture(params=["of_0.1.0", "before_0.2.0"])
def checkpoint(request, tmp_path) -> str:
    path = tmp_path / "old.pth"
    path.write_bytes(lzma.decompress((DATA / f"checkpoint_{request.param}.pth.xz").read_bytes()))
    return str(path)


def test_a_run_resumes_from_it_with_its_hierarchy(checkpoint, tmp_path):
    saved = load_data(checkpoint, map_location="cpu")
    cfg = tiny_config(tmp_path / "run", **SMALL, train_cfg__max_epochs=3)
    cfg.resume, cfg.load_from = True, checkpoint
    runner, record = train(cfg)
    assert (runner.epoch, len(record.losses)) == (3, 6)
    assert record.loss_names[0] == {"loss", "loss_instance", "loss_prototype"}
    before = PrototypeHierarchy.from_state_dict(saved["hierarchical_clustering"]["hierarchy"])
    assert before.num_prototypes == record.hierarchies[2].num_prototypes == (12, 6, 3)


def test_a_new_run_starts_from_its_weights(checkpoint, tmp_path):
    weights = load_data(checkpoint, map_location="cpu")["state_dict"]
    cfg = tiny_config(tmp_path / "run", **SMALL, train_cfg__max_epochs=1)
    cfg.load_from, cfg.optim_wrapper.optimizer.lr = checkpoint, 1e-12
    runner, _ = train(cfg)
    trained = dict(runner.model.named_parameters())
    for name, value in weights.items():
        if name in trained and name.startswith(("backbone.", "neck.")):
            torch.testing.assert_close(trained[name].data, value, atol=1e-6, rtol=0)


def test_its_levels_are_scored(checkpoint, tmp_path):
    cfg = launch.load_config(str(DIGITS.parent / "benchmarks" / "clustering_digits.py"))
    pretraining = tiny_config(tmp_path / "run", **SMALL)
    cfg.model.backbone = pretraining.model.backbone
    cfg.model.data_preprocessor.update(mean=[78.0] * 3, std=[96.0] * 3)
    cfg.test_dataloader.dataset.indices = 100
    cfg.test_evaluator[0].num_clusters = (10,)
    cfg.work_dir, cfg.launcher, cfg.load_from = str(tmp_path / "test"), "none", checkpoint
    metrics = launch.test(cfg).values
    for level, number in enumerate((12, 6, 3)):
        assert 0 < metrics[f"hierarchy/{level}_{number}/purity"] <= 1


def test_its_tree_is_found(checkpoint):
    found = saved_tree(load_data(checkpoint, map_location="cpu"))
    assert (found.num_samples, found.hierarchy.num_samples, found.fits) == (100, 100, None)
