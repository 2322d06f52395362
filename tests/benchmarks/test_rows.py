"""The benchmarks run, and their yardsticks compute what they say; what is measured is no matter of
tests.
"""

import json
import sys

import pytest
import torch
from cases import random_hierarchy, unit_rows
from tiny import ROOT

from hcsc_mm.models import ClusterSelection, HCSCHead

sys.path.insert(0, str(ROOT / "benchmarks"))

import bench_clustering
import bench_epoch
import bench_head
import bench_input
import bench_precision
import bench_stores
import run
from measure import absolute, faster, more, slower
from yardsticks.selection import full_softmax_hcsc, info_nce


@pytest.fixture(autouse=True)
def threads():
    """The benchmark of the input sets PyTorch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def small_head(monkeypatch):
    monkeypatch.setattr(bench_head, "BATCH", {"small": 4})
    for name, value in {"QUEUE": 64, "DIM": 8, "PROTOTYPES": (12, 6, 3), "STEPS": 2}.items():
        monkeypatch.setattr(bench_head, name, value)
    monkeypatch.setattr(bench_head._random_hierarchy, "__defaults__", ((12, 6, 3),))
    return bench_head


def small_clustering(monkeypatch):
    monkeypatch.setattr(bench_clustering, "IMAGES", {"small": 1200})
    monkeypatch.setattr(bench_clustering, "PROTOTYPES", (30, 12))
    monkeypatch.setattr(bench_clustering, "BUDGET_IMAGES", (1200,))
    return bench_clustering


def small_epoch(monkeypatch):
    plain = bench_epoch._config

    def config(*args):
        cfg = plain(*args)
        cfg.train_dataloader.dataset.indices = 128
        return cfg

    monkeypatch.setattr(bench_epoch, "_config", config)
    monkeypatch.setattr(bench_epoch, "EPOCHS", {"small": 3})
    return bench_epoch


def small_input(monkeypatch):
    monkeypatch.setitem(bench_input.NUM_PHOTOGRAPHS, "small", 2)
    return bench_input


def small_stores(monkeypatch):
    monkeypatch.setitem(bench_stores.PHOTOGRAPHS, "small", 2)
    return bench_stores


def small_precision(monkeypatch):
    monkeypatch.setitem(bench_precision.SCALES, "small", bench_precision.SCALES["tiny"])
    monkeypatch.setattr(bench_precision, "IN_TURNS", ("accumulated in 4 parts",))
    return bench_precision


SMALL = [small_head, small_clustering, small_epoch, small_input, small_stores, small_precision]


@pytest.mark.parametrize("small", SMALL)
def test_every_benchmark_runs_and_its_rows_make_a_table_and_json(monkeypatch, small):
    if small is small_clustering:
        pytest.importorskip("faiss")
    if small is small_stores:
        pytest.importorskip("lmdb")
        pytest.importorskip("datasets")
    rows = small(monkeypatch).rows("small", 1, "cpu")
    for row in rows:
        assert row.measured > 0
        assert row.low <= row.ratio <= row.high
        assert json.loads(json.dumps(row.as_dict()))["name"] == row.name
    assert run.table(rows).row_count == len(rows) >= 2


def test_ratios_are_stated_the_way_round_of_their_goals():
    assert slower("", [2.0, 2.0, 8.0], [1.0, 1.0, 1.0], 4.0).ratio == 2
    assert slower("", [5.0], [1.0], 4.0).met is False
    assert faster("", [1.0], [12.0], 12.0).met is True
    assert more("", [30.0], [10.0], 5.0, "images/s").met is False
    assert absolute("", [200.0], 256, "MiB").met is True
    assert faster("", [1.0], [2.0], None).met is None
    assert (row := slower("", [1.0, 3.0, 2.0], [1.0, 1.0, 1.0], 4.0)).low == 1
    assert row.high == 3


def test_plain_yardstick_is_the_head_without_a_hierarchy():
    query, key, queue = unit_rows(4, 8), unit_rows(4, 8, seed=1), unit_rows(64, 8, seed=2)
    assert info_nce(query, key, queue).item() == pytest.approx(
        HCSCHead().loss([query], key, queue)["loss_instance"].item(), rel=1e-6
    )


def test_full_softmax_yardstick_has_the_expectation_of_the_head():
    hierarchy = random_hierarchy(dim=8)
    query, key, queue = unit_rows(4, 8), unit_rows(4, 8, seed=1), unit_rows(64, 8, seed=2)
    path, head = hierarchy.path(torch.tensor([0, 3, 5, 6])), HCSCHead()
    selection = ClusterSelection()
    selection.set_hierarchy(hierarchy, queue)
    theirs = torch.stack(
        [full_softmax_hcsc(query, key, queue, hierarchy, path) for _ in range(400)]
    )
    draws = [selection.draw(queue, path, 1) for _ in range(400)]
    losses = [head.loss([query], key, queue, hierarchy, path, draw) for draw in draws]
    ours = torch.stack([loss["loss_instance"] + loss["loss_prototype"] for loss in losses])
    assert ours.std() > 0
    error = ((theirs.var() + ours.var()) / 400).sqrt().item()
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=4.5 * error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "speed"], "invalid choice: 'speed'"),
        (["--repeats", "0"], "--repeats 0 must be at least 1"),
        (["--out", "/no/such/folder/table.json"], "is not a folder that can be written to"),
        (["--photographs", "/no/such/folder"], "there is no such folder"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(
    monkeypatch, capsys, arguments, message
):
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
