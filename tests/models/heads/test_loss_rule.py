"""The options on which the released code and the paper differ."""

import dataclasses

import pytest
from mmengine import ConfigDict

from hcsc_mm import HCSCError
from hcsc_mm.models import HCSCHead, LossRule

RELEASED = {
    "rejected": "zero",
    "instance_reduction": "sum",
    "exclude": "batch",
}


def test_released_preset_is_the_released_column_of_the_reference():
    assert dataclasses.asdict(LossRule.build("released")) == RELEASED


def test_paper_preset_is_the_paper_column_of_the_reference():
    changed = {
        "rejected": "absent",
        "instance_reduction": "mean",
        "exclude": "own",
    }
    assert dataclasses.asdict(LossRule.build("paper")) == RELEASED | changed


@pytest.mark.parametrize("kind", [dict, ConfigDict])
def test_a_dict_changes_the_released_rule_in_what_it_names(kind):
    rule = LossRule.build(kind(exclude="own", rejected="absent"))
    assert dataclasses.asdict(rule) == RELEASED | {"exclude": "own", "rejected": "absent"}
    assert LossRule.build({}) == LossRule.build("released")


def test_a_rule_is_taken_as_it_is_and_the_head_builds_it():
    rule = LossRule(exclude="own")
    assert LossRule.build(rule) is rule
    assert HCSCHead(rule={"exclude": "own"}).rule == rule
    assert HCSCHead().rule == LossRule()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("papers", "rule='papers' is unknown; choose one of 'released', 'paper'"),
        (
            {"reject": "zero"},
            "reject are unknown; the known ones are rejected, instance_reduction, exclude",
        ),
        ({"b": 1, "a": 2}, "a, b are unknown"),
        ({"rejected": "drop"}, "rejected='drop' is unknown; choose one of 'zero', 'absent'"),
        (
            {"instance_reduction": "max"},
            "instance_reduction='max' is unknown; choose one of 'sum', 'mean'",
        ),
        ({"exclude": None}, "exclude=None is unknown; choose one of 'batch', 'own'"),
        ({"prototype_reduction": "sum"}, "prototype_reduction are unknown"),
    ],
)
def test_unknown_rules_are_refused_with_the_known_ones(rule, message):
    with pytest.raises(HCSCError, match=message):
        HCSCHead(rule=rule)


@pytest.mark.parametrize("temperature", [0.0, -0.2, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(HCSCError, match=r"temperature=.* must be > 0"):
        HCSCHead(temperature=temperature)
