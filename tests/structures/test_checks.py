"""What a hierarchy refuses: parts that do not fit, features that are no direction, places that are
not there.
"""

import pytest
import torch
from cases import random_hierarchy, unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.structures import PrototypeHierarchy

FIELDS = ("parents", "prototypes", "concentrations")


@pytest.fixture
def hierarchy():
    return random_hierarchy()


def change(name, level, value):
    def apply(hierarchy):
        parts = {"assignment": hierarchy.assignment} | {
            field: list(getattr(hierarchy, field)) for field in FIELDS
        }
        if level is None:
            parts[name] = value(parts[name])
        else:
            parts[name][level] = value(parts[name][level])
        return parts

    return apply


def set_entry(entry):
    def apply(tensor):
        tensor = tensor.clone()
        tensor[0] = entry
        return tensor

    return apply


REFUSED = {
    "assignment_not_1d": (
        change("assignment", None, lambda t: t[:, None]),
        r"assignment must have shape \(N,\)",
    ),
    "assignment_float": (
        change("assignment", None, lambda t: t.float()),
        "assignment must be int32 or int64",
    ),
    "assignment_too_large": (
        change("assignment", None, set_entry(8)),
        r"assignment must lie in \[0, 8\)",
    ),
    "assignment_negative": (change("assignment", None, set_entry(-1)), "assignment must lie in"),
    "parents_short": (
        change("parents", 0, lambda t: t[:-1]),
        r"parents\[0\] must have shape \(8,\)",
    ),
    "parents_not_1d": (
        change("parents", 1, lambda t: t[None]),
        r"parents\[1\] must have shape \(4,\)",
    ),
    "parents_bool": (change("parents", 1, lambda t: t.bool()), r"parents\[1\] must be int"),
    "parents_too_large": (change("parents", 1, set_entry(2)), r"parents\[1\] must lie in \[0, 2\)"),
    "parents_missing": (change("parents", None, lambda ts: ts[:-1]), "need 2 parents"),
    "parents_too_many": (change("parents", None, lambda ts: [*ts, ts[-1]]), "need 2 parents"),
    "no_prototypes": (change("prototypes", None, lambda ts: []), "prototypes is empty"),
    "prototypes_other_dim": (
        change("prototypes", 1, lambda t: unit_rows(4, 5)),
        r"prototypes\[1\] must be \(K, 6\)",
    ),
    "prototypes_not_2d": (change("prototypes", 0, lambda t: t[0]), r"prototypes\[0\] must be"),
    "prototypes_integer": (
        change("prototypes", 0, lambda t: t.long()),
        r"prototypes\[0\] must be floating",
    ),
    "prototypes_long": (
        change("prototypes", 2, lambda t: 2 * t),
        r"prototypes\[2\] must have unit length",
    ),
    "prototypes_nan": (
        change("prototypes", 2, set_entry(float("nan"))),
        r"prototypes\[2\] must have unit length",
    ),
    "prototypes_none_in_level": (
        change("prototypes", 2, lambda t: t[:0]),
        r"prototypes\[2\] must be \(K, 6\) with K",
    ),
    "concentrations_missing": (
        change("concentrations", None, lambda ts: ts[:-1]),
        "3 concentrations",
    ),
    "concentrations_short": (
        change("concentrations", 1, lambda t: t[1:]),
        r"concentrations\[1\] must have shape \(4,\)",
    ),
    "concentrations_integer": (
        change("concentrations", 1, lambda t: t.long() + 1),
        r"concentrations\[1\] must be floating",
    ),
    "concentrations_zero": (
        change("concentrations", 0, set_entry(0.0)),
        r"concentrations\[0\] must be finite and > 0",
    ),
    "concentrations_negative": (
        change("concentrations", 2, set_entry(-0.1)),
        r"concentrations\[2\] must be finite and > 0",
    ),
    "concentrations_nan": (
        change("concentrations", 2, set_entry(float("nan"))),
        r"concentrations\[2\] must be finite and > 0",
    ),
    "concentrations_infinite": (
        change("concentrations", 2, set_entry(float("inf"))),
        r"concentrations\[2\] must be finite",
    ),
}


@pytest.mark.parametrize(("parts", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_by_name(hierarchy, parts, message):
    with pytest.raises(HCSCError, match=message):
        PrototypeHierarchy(**parts(hierarchy))


@pytest.mark.parametrize("as_array", [False, True])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: 2 * x, "20 of 20 features have not unit length, row 0 has a length of 2"),
        (lambda x: 0 * x, "row 0 has a length of 0"),
        (lambda x: x.clone().index_fill_(0, torch.tensor(7), float("nan")), "row 7 has NaN"),
        (lambda x: x.clone().index_fill_(0, torch.tensor(7), float("inf")), "row 7 has NaN or inf"),
        (lambda x: (100 * x).long(), "must be floating point"),
    ],
    ids=["length", "zero", "nan", "infinite", "integer"],
)
def test_assign_refuses_what_is_no_direction(hierarchy, spoil, message, as_array):
    features = spoil(unit_rows(20, 6))
    with pytest.raises(HCSCError, match=message):
        hierarchy.assign(features.numpy() if as_array else features)


def test_half_precision_leaves_unit_vectors_long_enough(hierarchy):
    features = unit_rows(200, 6, seed=5)
    for dtype in (torch.float16, torch.bfloat16):
        assert len(hierarchy.assign(features.to(dtype))[0]) == 200


@pytest.mark.parametrize(
    ("method", "place", "message"),
    [
        ("members", (3, 0), "there is no level 3: levels are 0 to 2"),
        ("members", (-1, 0), "there is no level -1"),
        ("siblings", (1, 4), "level 1 has the prototypes 0 to 3, not 4"),
        ("children", (0, 0), "have no children but images: see members"),
    ],
)
def test_a_prototype_that_is_not_there_is_refused(hierarchy, method, place, message):
    with pytest.raises(HCSCError, match=message):
        getattr(hierarchy, method)(*place)
