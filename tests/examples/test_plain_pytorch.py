"""The example without a runner runs as it stands, and learns."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plain_pytorch.py"


def test_levels_of_the_example_s_tree_agree_with_labels_that_it_never_saw(capsys):
    agreement = runpy.run_path(str(EXAMPLE))["main"]()
    assert len(agreement) == len(capsys.readouterr().out.splitlines()) == 3
    assert min(agreement) > 0.4
