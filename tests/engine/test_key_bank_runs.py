"""Clustering the latest keys instead of extracting features."""

import distributed_workers as workers
import pytest
import torch
from mmengine.hooks import Hook
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine.training_features import TrainingFeatures
from hcsc_mm.runtime.launch import build_runner


class Watch(Hook):
    """The keys that training made of each image, epoch by epoch."""

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self.keys: dict[int, dict[int, torch.Tensor]] = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        keys = runner.model.queue.newest(len(data_batch["data_samples"]))
        made = {
            int(sample.sample_idx): key
            for sample, key in zip(data_batch["data_samples"], keys, strict=True)
        }
        self.keys.setdefault(runner.epoch, {}).update(made)


def run_with_bank(work_dir, monkeypatch, **options):
    computed, plain = [], TrainingFeatures.compute
    monkeypatch.setattr(
        TrainingFeatures,
        "compute",
        lambda self: computed.append(plain(self).clone()) or computed[-1],
    )
    options |= {
        "default_hooks__clustering__features": "bank",
        "default_hooks__clustering__final": False,  # which is extracted
    }
    runner, watch = build_runner(tiny_config(work_dir, **options)), Watch()
    runner.register_hook(watch)
    runner.train()
    return runner, watch, computed


def test_features_are_the_keys_of_the_epoch_before_and_images_that_were_dropped_are_extracted(
    tmp_path, monkeypatch
):
    runner, watch, computed = run_with_bank(tmp_path, monkeypatch)
    assert len(computed) == 2  # before the second and the third epoch
    for epoch, features in enumerate(computed):
        seen = sorted(watch.keys[epoch])
        assert len(seen) == 96  # of 100 images, in batches of 16
        assert torch.equal(
            features[seen], torch.stack([watch.keys[epoch][index] for index in seen])
        )
        assert torch.isfinite(features).all()
    assert runner.model.hierarchy.num_samples == 100


def test_without_warm_up_the_first_hierarchy_comes_from_extraction(tmp_path, monkeypatch):
    _, _, computed = run_with_bank(
        tmp_path, monkeypatch, train_cfg__max_epochs=2, default_hooks__clustering__warmup_epochs=0
    )
    assert len(computed) == 2
    assert all(torch.isfinite(features).all() for features in computed)


def test_resuming_with_the_bank_gives_the_numbers_of_the_uninterrupted_run(tmp_path):
    options = {"default_hooks__clustering__features": "bank", "train_cfg__max_epochs": 4}
    whole, record = train(tiny_config(tmp_path, **options))
    steps = len(record.losses) // 4
    for epoch in (1, 2, 3):
        checkpoint = tmp_path / f"epoch_{epoch}.pth"
        saved = torch.load(checkpoint, weights_only=False)["hierarchical_clustering"]
        assert (
            saved["bank"] is None
        )  # the next epoch's hierarchy is in the checkpoint, so the keys need not be
        resumed, rest = train(
            tiny_config(
                tmp_path / f"from{epoch}", resume=True, load_from=str(checkpoint), **options
            )
        )
        assert rest.losses == pytest.approx(record.losses[epoch * steps :], rel=1e-6)
        assert torch.equal(resumed.model.hierarchy.assignment, whole.model.hierarchy.assignment)


def test_an_unknown_source_of_features_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(HCSCError, match=r"features='memory'.*'extract' or 'bank'"):
        build_runner(tiny_config(tmp_path, default_hooks__clustering__features="memory"))


def test_two_ranks_keep_the_keys_of_their_own_shards_whichever_rank_saw_the_image(tmp_path):
    ranks = workers.run_on_ranks([workers.bank_of_both_ranks], 2, tmp_path)
    keys = torch.arange(8.0)[:, None].expand(8, 3)  # the key of image i is i
    found = torch.cat([rank["bank_of_both_ranks"]["shard"] for rank in ranks])
    assert torch.equal(found[:8], keys)
    assert torch.isnan(found[8:]).all()
    for rank in ranks:
        torch.testing.assert_close(rank["bank_of_both_ranks"]["gathered"], found, equal_nan=True)
        torch.testing.assert_close(rank["bank_of_both_ranks"]["restored"], found, equal_nan=True)
