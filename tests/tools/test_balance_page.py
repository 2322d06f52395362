"""The lines of docs/balance_and_noise.md, run as they stand there, one after the other."""

from __future__ import annotations

import re

import numpy as np
import pytest
from command_line import run_here
from small_trees import checkpoint, photos
from tiny import ROOT

PAGE = (ROOT / "docs" / "balance_and_noise.md").read_text()
# What the page calls them → what they are here.
NAMES = {"WEIGHTS": "w.pth", "NEW_IMAGES": "images/val", "IMAGES": "images/train"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    checkpoint(folder / "w.pth", photos(folder / "images") / "train")
    return folder


def steps() -> list[tuple[str, str]]:
    """('sh', line) and ('python', block), in the page's order."""
    found = re.findall(r"^    (python tools/[^\n]*)$|^```python\n(.*?)^```", PAGE, re.M | re.S)
    return [("sh", line) if line else ("python", block) for line, block in found]


def test_every_line_runs_and_finds_what_the_page_says(folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict = {}
    kinds = [kind for kind, _ in steps()]
    assert kinds == ["sh"] * 3 + ["python"] * 2 + ["sh"] * 3 + ["python"]
    for kind, text in steps():
        if kind == "python":
            exec(compile(text, "balance_and_noise.md", "exec"), names)
            continue
        words = [NAMES.get(word, word) for word in text.split()[1:]]
        done = run_here(capfd, words[0].removeprefix("tools/"), *words[1:], cwd=folder)
        assert done.returncode == 0, done.error
    for file, number in (("balanced", 8), ("first_to_label", 8), ("outliers", 3), ("clean", 8)):
        assert len((folder / f"{file}.txt").read_text().splitlines()) == number
    label, weight = names["label"], names["weight"]
    for one in set(label):
        assert weight[label == one].sum() == pytest.approx(1)
        nodes = names["table"]["prototype_0"].to_numpy()[:24][label == one]
        parts = [weight[label == one][nodes == node].sum() for node in set(nodes)]
        assert parts == pytest.approx([1 / len(parts)] * len(parts))
    assert set(names["suspicious"]) <= set(np.flatnonzero(names["own"] < 1 / 3))
    assert names["num_built"] == 24 and len(names["new"]) == 12
    assert names["shares"].sum() == pytest.approx(1) and (names["shares"] >= 0).all()
