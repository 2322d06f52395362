"""Runs of one process that begin within one second."""

import shutil

import pytest
from tiny import tiny_config

from hcsc_mm.runtime.launch import build_runner


@pytest.mark.parametrize("named", [True, False])
def test_runs_of_one_config_that_begin_at_once_share_nothing(tmp_path, named):
    """The first one's folder is gone when the second begins: it must not write there."""
    runners = []
    for place in ("first", "second", "third"):
        cfg = tiny_config(tmp_path / place)
        cfg.experiment_name = "run" if named else None
        runners.append(build_runner(cfg))
        shutil.rmtree(tmp_path / place, ignore_errors=True)
    for kept in ("logger", "message_hub", "visualizer"):
        assert len({id(getattr(runner, kept)) for runner in runners}) == 3
    assert len({runner.experiment_name for runner in runners}) == 3
