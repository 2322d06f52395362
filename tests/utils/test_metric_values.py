"""What metrics give is kept, whatever it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from hcsc_mm.utils.metric_values import plain, short, tables


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (torch.tensor(2), 2.0),
        (torch.tensor([1.5, 2]), [1.5, 2.0]),
        (np.eye(2, dtype=int), [[1.0, 0.0], [0.0, 1.0]]),
        ((1, [2, 3]), [1.0, [2.0, 3.0]]),
        ([], []),
        ("0.1 0.2", "0.1 0.2"),
        (None, "None"),
    ],
)
def test_every_kind_of_value_is_kept_as_plain_values(value, expected):
    found = plain({"metric": value})
    assert found == {"metric": expected}
    assert json.loads(json.dumps(found)) == found


def test_mappings_are_taken_apart():
    assert plain({"a": {"b": 1, "c": {"d": [2]}}}) == {"a/b": 1.0, "a/c/d": [2.0]}


def test_lists_of_classes_and_matrices_become_tables_with_names():
    metrics = plain(
        {
            "accuracy": 50.0,
            "precision": torch.tensor([12.345, 100.0]),
            "support": [3, 4],
            "confusion": torch.tensor([[2, 1], [0, 4]]),
            "others": [1.0, 2.0, 3.0],
        }
    )
    first, second = tables(metrics, ["cat", "a|dog"]).split("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in first.splitlines()]
    assert rows[0] == ["class", "precision", "support"]
    assert rows[2:] == [["cat", "12.35", "3"], ["a?dog", "100", "4"]]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in second.splitlines()]
    assert rows[0] == ["confusion", "cat", "a?dog"]
    assert rows[2:] == [["cat", "2", "1"], ["a?dog", "0", "4"]]


def test_values_that_are_long_are_named_by_their_size():
    assert short("x", [[0.0] * 30] * 30) == "30 × 30 numbers"
    assert short("x", [0.0] * 9) == "9 numbers"
    assert short("x", [1.0, 2.0]) == "[1.00, 2.00]"
    assert tables({"x": [[0.0] * 30] * 30}, None) == ""
