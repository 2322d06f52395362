"""Clusterings of a run whose backbone is not trained: its features are made once."""

import distributed_workers as workers
import pytest
import shard_workers
import torch
from noise import noise, save_pngs
from shard_workers import FROZEN, images_seen, move
from tiny import Record, folder_config, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.engine import frozen_features
from hcsc_mm.engine.training_features import TrainingFeatures
from hcsc_mm.runtime.launch import build_runner

BFLOAT16 = {"optim_wrapper__type": "hcsc_mm.BFloat16OptimWrapper"}


def source_of(cfg):
    """The features of a run that has not begun, and its model."""
    runner = build_runner(cfg)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    pipeline = cfg.default_hooks.clustering.pipeline
    return TrainingFeatures(runner, runner.model, pipeline), runner.model


def encoded(source, model, dtype=None):
    """(N, D) of all images, each encoded now."""
    with torch.no_grad(), model.encoding_keys():
        rows = []
        for batch in source.trial_loader():
            images = model.preprocess(batch["inputs"])
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                rows.append(model.encode_key(images).float())
    return torch.cat(rows)


@pytest.mark.parametrize(("options", "dtype"), [({}, None), (BFLOAT16, torch.bfloat16)])
def test_rows_are_those_of_the_images_to_the_last_bit_and_are_made_once(options, dtype, tmp_path):
    source, model = source_of(tiny_config(tmp_path, **FROZEN, **options))
    seen = images_seen(model)
    first = source.compute()
    assert torch.equal(first, encoded(source, model, dtype))
    seen.clear()
    move(model.momentum_encoder.encoder[1].parameters())
    second = source.compute()
    assert not seen
    assert torch.equal(second, encoded(source, model, dtype)) and not torch.equal(second, first)


@pytest.mark.parametrize("changed", ["parameters", "buffers"])
def test_another_backbone_makes_them_anew(changed, tmp_path):
    source, model = source_of(tiny_config(tmp_path, **FROZEN))
    first, backbone = source.compute(), model.momentum_encoder.encoder[0]
    values = getattr(backbone, changed)()
    move(value for value in values if value.is_floating_point())
    second = source.compute()
    assert torch.equal(second, encoded(source, model)) and not torch.equal(second, first)


def test_a_backbone_that_is_trained_sees_all_images_each_time(tmp_path):
    source, model = source_of(tiny_config(tmp_path, model__backbone__frozen_stages=3))
    seen = images_seen(model)
    for _ in range(2):
        assert torch.equal(source.compute(), encoded(source, model))
    assert sum(seen) == 4 * 100


def test_features_that_exceed_what_is_kept_are_made_each_time(tmp_path, monkeypatch):
    source, model = source_of(tiny_config(tmp_path, **FROZEN))
    seen, channels = images_seen(model), model.neck.in_channels
    monkeypatch.setattr(frozen_features, "_MOST", 100 * channels - 1)
    for _ in range(2):
        assert torch.equal(source.compute(), encoded(source, model))
    assert sum(seen) == 4 * 100  # 100 of each clustering, and of each comparison
    monkeypatch.setattr(frozen_features, "_MOST", 100 * channels)
    source.compute()
    seen.clear()
    source.compute()
    assert not seen


@pytest.mark.parametrize(
    ("num_images", "world_size", "channels"),
    [(2**18, 1, 1024), (2**18 + 1, 1, 1023), (5, 2, 2**28 // 3)],
)
def test_each_rank_keeps_a_gibibyte(num_images, world_size, channels):
    assert frozen_features.most_channels(num_images, world_size) == channels


def test_a_run_clusters_what_it_would_have_extracted(tmp_path):
    _, kept = train(tiny_config(tmp_path / "kept", **FROZEN))
    runner, anew = build_runner(tiny_config(tmp_path / "anew", **FROZEN)), Record()
    # As of a model whose backbone is trained:
    runner.model.frozen_backbone = lambda most_channels: None
    runner.register_hook(anew)
    runner.train()
    assert kept.losses == anew.losses
    for epoch in (1, 2):
        one, other = kept.hierarchies[epoch], anew.hierarchies[epoch]
        assert torch.equal(one.assignment, other.assignment)
        assert torch.equal(one.prototypes[0], other.prototypes[0])


def test_images_that_cannot_be_read_have_no_features_the_second_time_either(tmp_path):
    images = save_pngs(noise(32), tmp_path / "images")
    (images / "03.png").write_bytes(b"this is no picture")
    cfg = folder_config(tmp_path, images, unreadable="skip")
    cfg.merge_from_dict({key.replace("__", "."): value for key, value in FROZEN.items()})
    source, model = source_of(cfg)
    for _ in range(2):
        features = source.compute()
        assert torch.isnan(features).all(dim=1).nonzero().flatten().tolist() == [3]
    with torch.no_grad():
        next(model.momentum_encoder.encoder[1].parameters()).fill_(float("nan"))
    with pytest.raises(HCSCError, match=r"31 features are NaN .* the weights are broken"):
        source.compute()


def test_two_ranks_keep_those_of_their_own_images(tmp_path):
    ranks = workers.run_on_ranks([shard_workers.keep_features], 2, tmp_path)
    one = shard_workers.keep_features()
    for rank in ranks:
        found = rank["keep_features"]
        torch.testing.assert_close(found["first"], one["first"], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found["second"], one["second"], rtol=1e-5, atol=1e-6)
        assert found["seen"] == (50, 0)  # images of each clustering
    assert one["seen"] == (100, 0)
