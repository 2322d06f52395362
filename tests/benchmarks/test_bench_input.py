"""The benchmark of the input runs and reports rows of the agreed form; what it measures is no matter of tests."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bench_input


@pytest.fixture(autouse=True)
def threads():
    """The benchmark sets PyTorch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_rows_hold_a_measurement_a_yardstick_and_their_ratio(monkeypatch):
    monkeypatch.setitem(bench_input.NUM_PHOTOGRAPHS, "small", 2)
    for row in bench_input.rows("small", repeats=1):
        assert set(row) == {"name", "measured", "unit", "yardstick", "ratio", "goal", "spread"}
        assert row["ratio"] == pytest.approx(row["measured"] / row["yardstick"])
        assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
