"""The notebook's cells run from the first to the last, on the weights of a short run."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import tiny_config, train

from hcsc_mm.structures import PrototypeHierarchy

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "tree.ipynb"


@pytest.fixture
def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_every_cell_runs_and_shows_the_tree_of_the_run(cells, tmp_path, monkeypatch):
    train(tiny_config(tmp_path, train_cfg__max_epochs=2))
    monkeypatch.setenv("WEIGHTS", str(tmp_path))
    names, said = {"__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(said):
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    tree = names["tree"]
    assert isinstance(tree, PrototypeHierarchy)
    assert repr(tree).count("\n") == 0
    assert len(names["placed"]) == 360
    expected = tree.assign(np.stack([one.embedding for one in names["placed"]]))
    assert [one.prototypes for one in names["placed"]] == list(zip(*expected, strict=True))
    assert f"prototypes {names['first'].prototypes}" in said.getvalue()
    assert isinstance(names["mosaic"](names["held_out"][:3]), Image.Image)
    assert len(names["similar"]) == 10


def test_it_is_kept_without_outputs(cells):
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
