"""From texts to values: what is wanted decides what a text means."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Optional, Union

import pytest
from mmengine.config import DictAction
from torch import Tensor, nn

from hcsc_mm.runtime.configs.options import UnfitError, guess, split, value_of
from hcsc_mm.runtime.configs.wanted import ANYTHING, MISSING, of_annotation, wanted_at


def take(text: str, annotation: Any = MISSING, value: Any = MISSING, default: Any = MISSING):
    return value_of(text, wanted_at(annotation, default, value))


@pytest.mark.parametrize(
    ("text", "annotation", "expected"),
    [
        ("5", int, 5),
        ("1e4", int, 10000),
        ("5", float, 5),  # a share of 5 is not five: whole numbers stay whole
        ("1e-3", float, 0.001),
        (".5", float | None, 0.5),
        ("None", float | None, None),
        ("null", Optional[str], None),  # noqa: UP045  as libraries write it
        ("None", str, "None"),
        ("true", bool, True),
        ("False", bool | dict, False),
        ("True", str, "True"),
        ("2024", str, "2024"),
        ("/a,b c", str, "/a,b c"),
        (" /a ", str, " /a "),
        ("[a]", str, "[a]"),
        ('"None"', str | None, "None"),
        ("'5'", int, 5),  # quotes that a shell left do not matter to a number
        ("1,2", Sequence[int], [1, 2]),
        ("(1,2)", Sequence[int], (1, 2)),
        ("1,2", tuple[int, ...], (1, 2)),
        ("5", tuple[int, ...], (5,)),
        ("(5)", list[int], [5]),
        ("5", int | Sequence[int], 5),
        ("5,6", Union[int, Sequence[int]], [5, 6]),  # noqa: UP007
        ("[(1,2), (3,4)]", list[tuple[int, int]], [(1, 2), (3, 4)]),
        ("a, b", list[str], ["a", "b"]),
        ("[]", list[str], []),
        ("skip", Literal["stop", "skip"], "skip"),
        ("2", Literal[1, 2] | None, 2),
        ("{'type': 'BN'}", dict, {"type": "BN"}),
        ("dict(type='BN', eps=1e-3)", dict | None, {"type": "BN", "eps": 0.001}),
        ("5", Callable, 5),  # nothing that a config could hold: as mmengine reads it
        ("a,b", nn.Module | dict | list | None, ["a", "b"]),
        ("0.1", float | Tensor, 0.1),
        ("inf", str | float, "inf"),
    ],
)
def test_an_annotation_says_what_a_text_means(text, annotation, expected):
    found = take(text, annotation)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("5", 3, 5),
        ("0.5", 3, 0.5),  # who takes a whole number without saying so may take a fraction
        ("5", 0.1, 5),
        ("5", "auto", "5"),
        ("a,b", "auto", "a,b"),
        ("5", (1, 2), (5,)),
        ("5", [1, 2], [5]),
        ("(5, 6)", [1, 2], [5, 6]),
        ("None", 3, None),
        ("false", True, False),
        ("1,2", None, [1, 2]),
        ("/a b", None, "/a b"),
    ],
)
def test_without_an_annotation_the_value_that_stands_there_says_it(text, value, expected):
    found = take(text, value=value)
    assert found == expected and type(found) is type(expected)


def test_without_a_value_the_default_says_it():
    assert take("5", default=(1, 2)) == (5,)
    assert take("2024", default="data") == "2024"
    assert take("true", default=False) is True


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("eight", int, "a whole number is needed"),
        ("2.5", int, "a whole number is needed"),
        ("true", int, "a whole number is needed"),
        ("None", int, "a whole number is needed"),
        ("", int, "a whole number is needed"),
        ("1", bool, "true or false is needed"),
        ("inf", float, "a finite number is needed"),
        ("much", float | None, "a number is needed"),
        ("a,b", tuple[int, ...], 'a list of whole numbers is needed, such as "(3,2,1)"'),
        ("1,2.5", Sequence[int], 'a list of whole numbers is needed, such as "[3,2,1]"'),
        ("(1,2", Sequence[int], "the brackets of (1,2 do not match"),
        ("[1,'a]", Sequence[Any], "the quotes of 1,'a do not match"),
        ("BN", dict, "a group of entries is needed, such as \"dict(type='BN')\""),
        ("dict(type=BN)", dict, "a group is written as in Python"),
        ("skp", Literal["stop", "skip"], "one of stop, skip is needed; did you mean skip?"),
        ("/a,/b", str | list[str], "a path or a list may be meant; write one path '\"/a,/b\"'"),
        ("{{ fileDirname }}", str, "text in {{double braces}} is for config files"),
        ("\udcff", str, "it holds bytes that are no text"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_needed(text, annotation, message):
    with pytest.raises(UnfitError) as caught:
        take(text, annotation)
    assert message in str(caught.value)


def test_the_quoting_that_is_shown_is_understood():
    either = str | list[str]
    assert take('"/a,/b"', either) == "/a,/b"
    assert take("[/a,/b]", either) == ["/a", "/b"]
    assert take('"/a,/b"') == "/a,/b"


def test_of_a_path_or_a_list_the_value_that_stands_there_decides():
    either = str | list[str]
    assert take("/a,b", either, value="/x") == "/a,b"


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3",
        "[a,b,c]",
        "[(1,2,3),[a,b],c]",
        "[(a,b),(c,d)]",
        '"[(a,b),(c,d)]"',
        "(5)",
        "5",
        "-5",
        "1e-3",
        "True",
        "None",
        "abc",
        "a=b",
        "hcsc_mm.HCSC",
        "[1,[2,3]]",
        "()",
    ],
)
def test_what_may_be_anything_is_read_as_by_mmengine(text):
    found, theirs = guess(text), DictAction._parse_iterable(text)
    assert found == theirs and type(found) is type(theirs)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        ("(1,2),[3,4]", ["(1,2)", "[3,4]"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("it's,b", ["it's", "b"]),
        ("5,", ["5"]),
        ("", []),
    ],
)
def test_commas_in_brackets_and_quotes_separate_nothing(text, parts):
    assert split(text) == parts


def test_annotations_that_name_nothing_a_config_can_hold_say_nothing():
    assert of_annotation(nn.Module) == of_annotation(Any) == of_annotation("x") == ANYTHING
    assert of_annotation(nn.Module | dict).kinds == {"dict"}


@pytest.mark.parametrize("text", ["it's", 'say "x"', "a=b=c", "été/写真", "two\nlines", "\\n", "#"])
def test_text_stays_what_was_typed(text):
    assert take(text, str) == text
