"""The table of losses beside float32's: its numbers, and runs that are made once."""

import json
import sys

import pytest
from tiny import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from precision_curves import print_curves

SETTINGS = {"steps": 10}
LOSSES = {  # ten steps each
    ("float32", 0): [2.0] * 10,
    ("float32", 1): [3.0] * 10,
    ("bf16", 0): [2.1, 2.1] + [2.0] * 7 + [1.0],
    ("bf16", 1): [3.0] * 9 + [2.0],
}


def test_a_way_is_compared_with_float32_of_the_same_draws(tmp_path, capsys):
    print_curves(str(tmp_path / "losses.json"), SETTINGS, ["bf16"], 2, lambda *run: LOSSES[run])
    _, _, plain, others, bf16 = capsys.readouterr().out.splitlines()
    assert plain == "| float32 | 2 | 0 | 0 | 0.00 ± 0.00 | 2.50 ± 0.71 | +0.00 ± 0.00 |"
    assert others == "| float32, other draws | 1 pair | 1 | 1 | 1.00 | | |"
    # mean differences 0.12 and 0.1; losses of the last step 1 and 2, one below float32's
    assert bf16 == "| bf16 | 2 | 0.1 | 1 | 0.11 ± 0.01 | 1.50 ± 0.71 | -1.00 ± 0.00 |"


def test_a_run_that_is_in_the_file_is_not_made_again(tmp_path, capsys):
    file, made = tmp_path / "losses.json", []

    def run(*which):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(which)
        return LOSSES[which]

    with pytest.raises(KeyboardInterrupt):
        print_curves(str(file), SETTINGS, ["bf16"], 2, run)
    whole = json.loads(file.read_text())["losses"]
    assert len(whole) == 3
    made.clear()
    print_curves(str(file), SETTINGS, ["bf16"], 2, run)
    assert made == [("bf16", 1)]
    with pytest.raises(SystemExit, match="name another file"):
        print_curves(str(file), {"steps": 20}, ["bf16"], 2, run)
