"""The same images come out of every store bit for bit: the batches of a whole run, those after a
resume in the middle of an epoch, those of each of two processes, and with them the losses.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from distributed_workers import run_on_ranks
from rows import encoded, rows_of
from store_workers import Batches, KilledError, TrainingOnStore, config_of
from stores import buckets, index, web_server, write_base, write_folder, write_shards, write_zip
from tiny import largest_difference

from hcsc_mm.runtime.launch import build_runner

IMAGES = encoded(np.random.default_rng(5).integers(0, 256, (48, 20, 24, 3), dtype=np.uint8))
STEPS = 48 // 16  # of an epoch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("files") / "files", IMAGES)


@pytest.fixture
def store(request, tmp_path, folder):
    """What a config says of the data set."""
    kind = request.param
    if kind == "http":
        with web_server(folder) as address:
            yield dict(type="hcsc_mm.ImageFolder", data_root=address, ann_file="list.txt")
    elif kind == "bucket":
        with buckets(folder.parent):
            yield dict(type="hcsc_mm.ImageFolder", data_root=f"s3://{folder.name}")
    else:
        yield MAKERS[kind](tmp_path, folder)


def as_shards(tmp_path, folder):
    index(write_shards(tmp_path / "shards", IMAGES, 11))
    return dict(type="hcsc_mm.TarImages", data_root=str(tmp_path / "shards"))


def as_rows(tmp_path, folder):
    rows_of(IMAGES, [0] * len(IMAGES), ["all"]).save_to_disk(str(tmp_path / "rows"))
    return dict(type="hcsc_mm.HFImages", path=str(tmp_path / "rows"))


def as_base(tmp_path, folder):
    base = dict(backend="lmdb", db_path=str(write_base(tmp_path / "base", IMAGES)))
    listed = str(folder / "list.txt")
    return dict(type="hcsc_mm.ImageFolder", data_root="", ann_file=listed, backend_args=base)


def as_zip(tmp_path, folder):
    return dict(type="hcsc_mm.ImageFolder", data_root=str(write_zip(tmp_path / "a.zip", folder)))


def as_two_folders(tmp_path, folder):
    halves = [str(write_folder(tmp_path / "1", IMAGES[:20])), str(tmp_path / "2")]
    write_folder(tmp_path / "2", IMAGES[20:])
    return dict(type="hcsc_mm.ImageFolder", data_root=halves)


def as_mixture(tmp_path, folder):
    real, made = as_two_folders(tmp_path, folder)["data_root"]
    return dict(type="hcsc_mm.MixedImages", data_root=real, generated=made)


MAKERS = {
    "shards": as_shards,
    "rows": as_rows,
    "base": as_base,
    "zip": as_zip,
    "two folders": as_two_folders,
    "mixture": as_mixture,
}


def run(tmp_path, dataset, last_step=None, num_workers=0, **options):
    """Train, or train up to a step, with a checkpoint after each."""
    cfg = config_of(tmp_path, dataset)
    cfg.train_dataloader.num_workers = num_workers
    cfg.merge_from_dict({"default_hooks.checkpoint.every_n_iters": 1, **options})
    cfg.experiment_name += f"_{last_step}_{options}"
    runner, batches = build_runner(cfg), Batches(last_step)
    runner.register_hook(batches)
    if last_step is None:
        runner.train()
    else:
        with pytest.raises(KilledError):
            runner.train()
    return runner, batches


@pytest.fixture(scope="module")
def expected(tmp_path_factory, folder):
    """Two epochs on the folder without a break."""
    files = dict(type="hcsc_mm.ImageFolder", data_root=str(folder))
    return run(tmp_path_factory.mktemp("expected"), files)


@pytest.mark.parametrize("store", ["http", "bucket", *MAKERS], indirect=True)
def test_batches_are_a_folder_s_before_and_after_a_resume_in_the_middle_of_an_epoch(
    tmp_path, store, expected
):
    whole, everything = expected
    broken_off = STEPS + 2  # after the clustering, with a step of the epoch left
    _, first = run(tmp_path, store, broken_off, num_workers=2)
    runner, rest = run(tmp_path, store, resume=True)
    assert len(everything.batches) == len(set(everything.batches)) == 2 * STEPS
    assert first.batches == everything.batches[:broken_off]
    assert rest.batches == everything.batches[broken_off:]
    assert first.losses + rest.losses == everything.losses
    assert torch.equal(runner.model.hierarchy.assignment, whole.model.hierarchy.assignment)
    assert largest_difference(runner.model.state_dict(), whole.model.state_dict()) <= 1e-6


def test_each_of_two_processes_gets_from_every_store_what_it_gets_from_a_folder(tmp_path, folder):
    stores = {"folder": dict(type="hcsc_mm.ImageFolder", data_root=str(folder))}
    for kind in ("shards", "zip", "base", "rows"):
        stores[kind] = MAKERS[kind](tmp_path, folder)
    workers = [TrainingOnStore(kind, tmp_path / f"run_{kind}", s) for kind, s in stores.items()]
    ranks = run_on_ranks(workers, 2, tmp_path, seconds=600)
    expected = [rank["folder"] for rank in ranks]
    assert all(len(one["batches"]) == 2 * STEPS for one in expected)
    assert not set(expected[0]["batches"]) & set(expected[1]["batches"])
    for kind in stores:
        assert [rank[kind] for rank in ranks] == expected, kind
