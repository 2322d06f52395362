"""What the lines of a run say of its time."""

import re

from tiny import tiny_config, train

LINE = re.compile(r"s a step; time: ([^;]*); ")


def lines(work_dir):
    """Name → percent of each line of progress in the run's logs."""
    text = "\n".join(path.read_text() for path in sorted(work_dir.rglob("*.log")))
    return [
        {name: int(percent) for percent, name in re.findall(r"(\d+)% ([a-z ]+)", found)}
        for found in LINE.findall(text)
    ]


def test_shares_of_a_run_that_clusters_add_up_to_its_time(tmp_path):
    cfg = tiny_config(tmp_path, log_level="INFO")
    cfg.log_level = "INFO"
    runner, _ = train(cfg)
    last = lines(tmp_path)[-1]
    assert list(last) == ["waiting for images", "steps", "clustering", "other"]
    assert abs(sum(last.values()) - 100) <= 2  # each is rounded
    assert last["clustering"] > 0
    assert last["steps"] > 0
    # the time of the final clustering comes on top, behind the last line
    assert runner.message_hub.runtime_info["seconds_aside"]["clustering"] > 0


def test_a_run_without_clusters_has_none_to_tell(tmp_path):
    cfg = tiny_config(tmp_path, train_cfg__max_epochs=1)
    cfg.default_hooks.pop("clustering")
    cfg.log_level = "INFO"
    train(cfg)
    assert list(lines(tmp_path)[-1]) == ["waiting for images", "steps", "other"]


def test_a_resumed_run_counts_its_own_time(tmp_path):
    cfg = tiny_config(tmp_path, train_cfg__max_epochs=2)
    runner, _ = train(cfg)
    before = runner.message_hub.runtime_info["seconds_aside"]
    cfg = tiny_config(tmp_path, train_cfg__max_epochs=2)
    cfg.resume, cfg.experiment_name = True, f"{cfg.experiment_name}_resumed"
    resumed, _ = train(cfg)  # to no further step
    assert before["clustering"] > 0
    assert resumed.message_hub.runtime_info["seconds_aside"] == {}
