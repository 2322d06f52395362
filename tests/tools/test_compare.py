"""tools/compare.py: a grid run for real, stopped, broken and gone on with."""

from __future__ import annotations

import json
import os
import runpy
import sys
from argparse import Namespace
from typing import NamedTuple

import pytest
from PIL import Image
from small_grids import MOCO, write_grid
from tiny import ROOT

from hcsc_mm.compare import cells_of, read_grid

NAMES = [f"digits-{method}-{seed}" for seed in (0, 1) for method in ("mocov2", "hcsc")]


class Done(NamedTuple):
    returncode: int
    out: str
    error: str


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """The folder that calls are made from: cells without --work-dir train below it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        yield


def compare(capfd, *arguments) -> Done:
    """The tool as its command line calls it, in this process; its cells have theirs."""
    capfd.readouterr()
    code, words = 0, ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["compare.py", *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / "tools/compare.py"), run_name="__main__")
        except SystemExit as end:
            code, words = (1, end.code) if isinstance(end.code, str) else (end.code, "")
    out, error = capfd.readouterr()
    return Done(code, out, error + words)


def facts(out, name):
    return json.loads((out / f"{name}.json").read_text())


def rows(text):
    """Method → the cells of its row in the first table."""
    first = text[text.find("| `") :].split("\n\n")[0]
    lines = [line.strip("|").split("|") for line in first.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in lines}


# A grid of four cells


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The grid; all its cells but the last, each as in the process that is its own."""
    folder = tmp_path_factory.mktemp("compare")
    grid, out = write_grid(folder / "grid.py", title="Small"), folder / "out"
    for name in NAMES[:-1]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["compare.py", str(grid), "--cell", name, "--out", str(out)])
            runpy.run_path(str(ROOT / "tools/compare.py"), run_name="__main__")
    return grid, out


def test_a_grid_goes_on_where_it_was_stopped_and_ends_in_a_table(ran, capfd):
    grid, out = ran
    before = {name: (out / f"{name}.json").stat().st_mtime_ns for name in NAMES[:-1]}
    done = compare(capfd, grid, "--out", out)
    assert done.returncode == 0, done.error
    assert "=== cell 1 of 1: digits-hcsc-1" in done.error  # and no finished one
    assert before == {name: (out / f"{name}.json").stat().st_mtime_ns for name in NAMES[:-1]}
    found = rows(done.out)
    assert list(found) == ["mocov2", "hcsc"]
    assert [found[method][0] for method in found] == ["2", "2"]
    assert done.out.strip() == (out / "comparison.md").read_text(encoding="utf-8").strip()

    again = compare(capfd, grid, "--out", out)
    assert "=== cell" not in again.error and again.out == done.out


def test_the_table_is_made_of_the_cells_files(ran, capfd):
    grid, out = ran
    text = compare(capfd, grid, "--out", out, "--table").out
    summary = json.loads((out / "comparison.json").read_text())["digits"]
    for method in ("mocov2", "hcsc"):
        values = [
            facts(out, name)["scores"]["knn"]
            for name in NAMES
            if method in name and (out / f"{name}.json").is_file()
        ]
        assert summary[method]["scores"]["knn"]["values"] == values
        shown = f"{sum(values) / len(values):.1f}"
        if len(values) == 2:  # the deviation of a sample of two
            shown += f" ± {abs(values[0] - values[1]) / 2**0.5:.1f}"
        assert rows(text)[method][1] == shown
    assert Image.open(out / "comparison.png").size[0] > 500


def test_a_cells_file_says_what_was_run_and_where(ran):
    grid, out = ran
    for cell in list(cells_of(read_grid(str(grid))))[:-1]:
        found = facts(out, cell.name)
        assert found["cell"] == cell.name and found["inputs"] == cell.inputs()
        assert found["steps"] == 12 and found["images_seen"] == 192 and found["seconds"] > 0
        assert not found["collapsed"] and 0 <= found["scores"]["knn"] <= 100
        assert {"commit", "date", "machine", "versions"} <= set(found)
        assert ("own/0_12/ami" in found["scores"]) is (cell.method == "hcsc")
    assert facts(out, NAMES[0])["scores"] != facts(out, NAMES[2])["scores"]  # of another seed


def test_a_table_can_be_had_before_anything_has_run(tmp_path, capfd):
    grid = write_grid(tmp_path / "grid.py")
    done = compare(capfd, grid, "--out", tmp_path / "out", "--table")
    assert done.returncode == 0 and "=== cell" not in done.error
    assert not rows(done.out) and "Not run yet: digits." in done.out


# Which cells a call runs


@pytest.fixture(scope="module")
def tool():
    """The functions of the tool, which runs nothing by being read."""
    return runpy.run_path(str(ROOT / "tools/compare.py"), run_name="compare")


def chosen(tool, grid, out, array="0/1", only=(), others=()):
    cells = list(cells_of(read_grid(str(grid))))
    args = Namespace(
        grid=str(grid), out=str(out), array=array, only=list(only), others=list(others)
    )
    return [cell.name for cell in tool["choose"](cells, args)]


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_the_parts_of_an_array_have_every_cell_once(tool, number, tmp_path):
    grid = write_grid(tmp_path / "grid.py")
    parts = [chosen(tool, grid, tmp_path, f"{index}/{number}") for index in range(number)]
    assert sorted(name for part in parts for name in part) == sorted(NAMES)
    assert parts[0] == NAMES[::number]


def test_a_part_of_an_array_leaves_out_what_is_finished_without_taking_others_cells(tool, tmp_path):
    grid = write_grid(tmp_path / "grid.py")
    first = next(cells_of(read_grid(str(grid))))
    (tmp_path / f"{first.name}.json").write_text(json.dumps({"inputs": first.inputs()}))
    assert chosen(tool, grid, tmp_path, "0/2") == [NAMES[2]]
    assert chosen(tool, grid, tmp_path, "1/2") == NAMES[1::2]


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (["digits-hcsc-1"], NAMES[3:]),
        (["mocov2"], NAMES[::2]),
        (["digits-hcsc"], NAMES[1::2]),
        (["digits"], NAMES),
        (["digits-mocov2-1", "hcsc"], [NAMES[1], NAMES[2], NAMES[3]]),
    ],
)
def test_cells_are_named_by_themselves_their_data_or_their_method(tool, only, names, tmp_path):
    assert chosen(tool, write_grid(tmp_path / "grid.py"), tmp_path, only=only) == names


def test_no_cell_is_begun_after_the_hours_are_over(tmp_path, capfd):
    grid = write_grid(tmp_path / "grid.py")
    done = compare(capfd, grid, "--out", tmp_path / "out", "--hours", 0)
    assert done.returncode == 0 and "4 cells are left for another time" in done.error
    assert not list((tmp_path / "out").glob("digits-*"))
    assert "Not run yet: digits." in done.out


def test_a_call_that_is_out_of_minutes_leaves_its_cell_to_the_next(tool, tmp_path, capfd):
    grid, out = write_grid(tmp_path / "grid.py"), tmp_path / "out"
    done = compare(capfd, grid, "--out", out, "--minutes", 0)
    assert done.returncode == 0 and "4 cells are left for another time" in done.error
    assert chosen(tool, grid, out) == NAMES
    assert "Not run yet: digits." in done.out


def test_a_cell_that_another_grid_has_run_is_in_the_table_and_not_run_again(
    tool, ran, tmp_path, capfd
):
    """The same cells in another grid's folder, of which one has other inputs by now."""
    grid, others = ran
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{NAMES[0]}.json").write_text(json.dumps({"inputs": "other", "scores": {"knn": 99.0}}))
    assert set(chosen(tool, grid, out, others=[others])) <= {NAMES[-1]}
    done = compare(capfd, grid, "--out", out, "--others", tmp_path / "gone", others, "--table")
    assert done.returncode == 0 and "another one by now" not in done.error
    assert rows(done.out)["mocov2"][0] == "2" and "99" not in rows(done.out)["mocov2"][1]
    assert not (out / f"{NAMES[1]}.json").exists()


def test_results_of_other_inputs_are_spoken_of_and_no_part_of_the_table(tmp_path, capfd):
    grid, out = write_grid(tmp_path / "grid.py"), tmp_path / "out"
    out.mkdir()
    (out / f"{NAMES[1]}.json").write_text(json.dumps({"inputs": "other", "scores": {"knn": 99.0}}))
    done = compare(capfd, grid, "--out", out, "--table")
    assert f"as the cell is another one by now: results of {NAMES[1]};" in done.error
    assert "Not run yet: digits." in done.out and "99" not in done.out


def test_a_misspelt_option_of_any_cell_ends_the_call_before_the_first_one_trains(tmp_path, capfd):
    methods = dict(mocov2=dict(config=MOCO), hcsc=dict(options={"max_epoch": 2}))
    grid = write_grid(tmp_path / "grid.py", methods=methods)
    done = compare(capfd, grid, "--out", tmp_path / "out")
    assert done.returncode == 1 and "=== cell" not in done.error
    assert done.error.splitlines()[-1].startswith("error: ") and "max_epochs?" in done.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--array", "2/2"], "--array 2/2: give I/N with I from 0 to N - 1, such as 0/4"),
        (["--array", "1"], "--array 1: give I/N with I from 0 to N - 1, such as 0/4"),
        (["--only", "hcsc", "hcsk"], "there is no cell, data or method 'hcsk' in grid.py"),
    ],
)
def test_a_mistake_is_one_line_and_a_failure(arguments, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_grid(tmp_path / "grid.py")
    done = compare(capfd, "grid.py", *arguments)
    assert done == Done(1, "", f"error: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["grid.py"]


# What is stopped, broken or collapsed

ENDS = """
import os
import signal

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class Ends(Hook):
    def __init__(self, how, marker):
        self.how, self.marker = how, marker

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter < 8 or os.path.exists(self.marker):
            return
        open(self.marker, "w").close()
        if self.how == "asked":
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("no such luck")
"""


@pytest.fixture
def ending(tmp_path, monkeypatch):
    """A grid of MoCo v2 that breaks down in its second epoch, is killed there, or is asked to end,
    each the first time only.
    """
    (tmp_path / "ends.py").write_text(ENDS)
    methods = {}
    for how in ("broken", "killed", "asked"):
        own, hook = tmp_path / f"{how}.py", dict(type="mmengine.Ends", how=how)
        hook["marker"] = str(tmp_path / f"{how}_once")
        own.write_text(
            f"_base_ = [{MOCO!r}]\n"
            "custom_imports = dict(imports=['hcsc_mm', 'ends'])\n"
            f"default_hooks = dict(ends={hook!r})\n"
        )
        methods[how] = dict(config=str(own))
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(tmp_path)
    return write_grid(tmp_path / "grid.py", methods=methods, seeds=(0,))


def test_a_cell_that_is_killed_or_breaks_down_is_run_again_and_goes_on(
    ending, ran, tool, tmp_path, capfd
):
    out, work = tmp_path / "out", tmp_path / "work"
    arguments = [ending, "--out", out, "--work-dir", work]
    first = compare(capfd, *arguments, "--only", "broken", "killed")
    assert "=== cell 2 of 2: digits-killed-0" in first.error  # the broken one does not end it
    assert "RuntimeError: no such luck" in first.error
    broken = facts(out, "digits-broken-0")
    assert broken["broken"] and broken["error"].startswith("broke down with exit code 1")
    table = rows(compare(capfd, *arguments, "--table").out)
    assert table["broken"][-1].startswith("failed: broke down with exit code 1")
    assert set(table) == {"broken", "killed", "asked"}
    unfinished = chosen(tool, ending, out)
    assert unfinished == ["digits-broken-0", "digits-killed-0", "digits-asked-0"]

    (checkpoint,) = work.glob("digits-killed-0*/epoch_1.pth")
    saved = checkpoint.stat().st_mtime_ns
    second = compare(capfd, *arguments, "--only", "killed")
    assert second.returncode == 0, second.error
    assert checkpoint.stat().st_mtime_ns == saved  # it went on from there
    whole = facts(ran[1], "digits-mocov2-0")  # never stopped
    assert facts(out, "digits-killed-0")["scores"] == whole["scores"]
    assert chosen(tool, ending, out) == ["digits-broken-0", "digits-asked-0"]


def test_a_cell_that_is_asked_to_end_saves_itself_and_goes_on(ending, ran, tmp_path, capfd):
    """SIGTERM, as --minutes and a cluster send it."""
    out, work = tmp_path / "out", tmp_path / "work"
    arguments = [ending, "--out", out, "--work-dir", work, "--only", "asked"]
    first = compare(capfd, *arguments)
    assert first.returncode == 130 and "interrupted; the same command goes on" in first.error
    assert list(work.glob("digits-asked-0*/iter_*.pth"))  # within the second epoch
    assert not (out / "digits-asked-0.json").exists()
    second = compare(capfd, *arguments)
    assert second.returncode == 0, second.error
    assert facts(out, "digits-asked-0")["scores"] == facts(ran[1], "digits-mocov2-0")["scores"]


def test_a_collapse_and_a_mistake_are_results_that_the_table_names(tool, tmp_path, capfd):
    stops = {
        "action": "stop",
        "patience": 1,
        "interval": 1,
        "grace_epochs": 0,
        "min_embedding_std": 1.0,  # an even embedding's, which none has
    }
    methods = dict(
        collapses=dict(
            config=MOCO, options={f"default_hooks.collapse.{k}": v for k, v in stops.items()}
        ),
        refused=dict(options={"default_hooks.clustering.num_prototypes": (200, 5)}),
        later=dict(),
    )
    grid, out = write_grid(tmp_path / "grid.py", methods=methods, seeds=(0,)), tmp_path / "out"
    for method in ("collapses", "refused"):
        assert compare(capfd, grid, "--out", out, "--cell", f"digits-{method}-0").returncode == 0
    found = rows(compare(capfd, grid, "--out", out, "--table").out)
    assert list(found) == ["collapses", "refused", "later"]
    assert found["collapses"][-1].startswith("collapsed in 1 of 1; failed: Collapse in epoch 1, ")
    assert found["refused"][-1].startswith("failed: num_prototypes[0]=200 exceeds the 100 ")
    assert found["later"][-1] == "not run yet"
    assert facts(out, "digits-collapses-0")["collapsed"]
    assert not facts(out, "digits-refused-0")["collapsed"]
    # a collapse is an answer; a mistake is tried again
    chosen_now = chosen(tool, grid, out)
    assert chosen_now == ["digits-refused-0", "digits-later-0"]
