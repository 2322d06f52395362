"""Numbers of several seeds in a table."""

from __future__ import annotations

import statistics

import pytest

from hcsc_mm.utils.tables import markdown_table, mean_std, shown


def test_mean_and_deviation_are_the_samples():
    values = [3.0, 5.0, 10.0]
    assert mean_std(values) == {
        "mean": pytest.approx(6.0),
        "std": pytest.approx(statistics.stdev(values)),
        "values": values,
    }


@pytest.mark.parametrize(
    ("values", "text"), [([], "–"), ([98.26], "98.3"), ([1.0, 3.0], "2.0 ± 1.4")]
)
def test_a_single_value_has_no_spread_and_none_is_a_dash(values, text):
    assert shown(mean_std(values), 1) == text


def test_columns_are_aligned_and_a_head_may_be_empty():
    assert markdown_table(["method", ""], [["a", "not run"], ["longer name", ""]]) == (
        "| method      |         |\n"
        "| ----------- | ------- |\n"
        "| a           | not run |\n"
        "| longer name |         |\n"
    )
    assert markdown_table([""], [["x"]]).splitlines()[1] == "| --- |"
