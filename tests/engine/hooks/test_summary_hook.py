"""The box at the end of a run."""

import shlex
from pathlib import Path

from mmengine.config import Config
from tiny import ROOT, tiny_config, train


def box(work_dir: Path) -> dict[str, str]:
    """Name → words of the lines behind 'finished' in the run's log."""
    (log,) = work_dir.rglob("*.log")
    _, _, last = log.read_text().rpartition("finished\n")
    rows = [line.strip().split("  ", 1) for line in last.splitlines() if line.startswith("  ")]
    return {name: words.strip() for name, words in rows}


def test_it_names_health_checkpoint_and_tree_and_commands_with_files_that_exist(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(ROOT)
    work_dir = tmp_path / "a run's"
    cfg = tiny_config(work_dir, train_cfg__max_epochs=2)
    cfg.log_level = "INFO"
    train(cfg)
    rows = box(work_dir)
    assert set(rows) == {"time", "health", "checkpoint", "tree", "look at it", "measure it"}
    assert rows["checkpoint"] == str(work_dir / "epoch_2.pth")
    assert "prototypes, in the checkpoint" in rows["tree"]
    look, measure = shlex.split(rows["look at it"]), shlex.split(rows["measure it"])
    for command in (look, measure):
        assert command[0] == "python"
        assert Path(command[1]).is_file()
        assert rows["checkpoint"] in command
    # as it was trained: the options of the command line are in it
    assert Config.fromfile(measure[2]).train_cfg.max_epochs == 2
