"""Workers that live on over epochs see what workers that start anew see."""

import pytest
import torch
from mmengine.hooks import Hook
from tiny import tiny_config

from hcsc_mm.runtime.launch import build_runner


class Views(Hook):
    """Views of each image by its number, in the order of the epochs."""

    def __init__(self):
        self.seen, self.losses = {}, []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs["loss"].detach()))
        views = torch.stack(data_batch["inputs"], dim=1)
        for sample, both in zip(data_batch["data_samples"], views, strict=True):
            self.seen.setdefault(int(sample.sample_idx), []).append(both.clone())


def run(folder, **options):
    few = {"train_dataloader__dataset__indices": 32, "train_cfg__max_epochs": 3}
    runner = build_runner(tiny_config(folder, **few, **options))
    views = Views()
    runner.register_hook(views)
    runner.train()
    return views


@pytest.fixture(scope="module")
def anew(tmp_path_factory):
    return run(tmp_path_factory.mktemp("anew"))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_persistent_workers_learn_of_the_epoch(tmp_path, anew, num_workers):
    loader = {"num_workers": num_workers, "persistent_workers": True}
    kept = run(tmp_path, **{f"train_dataloader__{name}": value for name, value in loader.items()})
    assert kept.losses == pytest.approx(anew.losses, rel=1e-6)
    assert kept.seen.keys() == anew.seen.keys() and len(kept.seen) == 32
    for number, views in kept.seen.items():
        assert len(views) == 3
        assert all(torch.equal(a, b) for a, b in zip(views, anew.seen[number], strict=True))
        first, second, third = views
        assert not torch.equal(first, second) and not torch.equal(second, third)
