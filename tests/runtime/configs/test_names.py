"""Values that an inheriting file assigns again."""

from __future__ import annotations

from hcsc_mm.runtime.configs import read_config
from hcsc_mm.runtime.configs.names import COMPUTED, assigned_again

BASE = """
batch_size = 64
lr = 0.12 * batch_size / 256
view = dict(size=32)
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=lr))
custom_hooks = [dict(type='IterTimerHook', of=view['size'])]
"""


def written(folder, name, text, base=None):
    path = folder / f"{name}.py"
    path.write_text(text if base is None else f"_base_ = ['{base}']\n{text}")
    return str(path)


def test_what_follows_from_a_value_follows_from_an_inheriting_files(tmp_path):
    written(tmp_path, "base", BASE)
    cfg, _ = read_config(written(tmp_path, "child", "batch_size = 128\n", "base.py"))
    assert cfg.batch_size == cfg.train_dataloader.batch_size == 128
    assert cfg.lr == cfg.optim_wrapper.optimizer.lr == 0.06


def test_through_any_number_of_levels_and_the_last_file_wins(tmp_path):
    written(tmp_path, "base", BASE)
    written(tmp_path, "middle", "batch_size = 128\nlr = 1.0\n", "base.py")
    cfg, _ = read_config(written(tmp_path, "child", "lr = 2.0\n", "middle.py"))
    assert cfg.train_dataloader.batch_size == 128
    assert cfg.optim_wrapper.optimizer.lr == 2.0


def test_a_value_that_is_computed_from_the_inherited_one_is_computed_once(tmp_path):
    written(tmp_path, "base", BASE)
    path = written(tmp_path, "child", "batch_size = 2 * _base_.batch_size\n", "base.py")
    cfg, _ = read_config(path)
    assert cfg.batch_size == cfg.train_dataloader.batch_size == 128


def test_the_command_line_and_places_of_the_file_win(tmp_path):
    written(tmp_path, "base", BASE)
    text = "batch_size = 128\noptim_wrapper = dict(optimizer=dict(lr=3.0))\n"
    path = written(tmp_path, "child", text, "base.py")
    cfg, _ = read_config(path, {"batch_size": "32"})
    assert cfg.batch_size == cfg.train_dataloader.batch_size == 32
    assert cfg.lr == 0.12 * 32 / 256 and cfg.optim_wrapper.optimizer.lr == 3.0


def test_what_an_inheriting_file_computes_anew_follows_the_command_line(tmp_path):
    written(tmp_path, "base", BASE)
    own = "batch_size = 128\nlr = 1e-3 * batch_size / 128\n"
    cfg, _ = read_config(written(tmp_path, "own", own, "base.py"), {"batch_size": "256"})
    assert cfg.lr == cfg.optim_wrapper.optimizer.lr == 2e-3
    inherited = "lr = _base_.batch_size / 64\n"
    cfg, _ = read_config(written(tmp_path, "inherited", inherited, "base.py"), {"batch_size": "32"})
    assert cfg.lr == cfg.optim_wrapper.optimizer.lr == 0.5


def test_groups_merge_as_in_mmengine_and_single_files_have_nothing_again(tmp_path):
    base = written(tmp_path, "base", BASE)
    child = written(tmp_path, "child", "view = dict(size=64)\nnew = 1\n", "base.py")
    assert assigned_again(base) == {}
    assert assigned_again(child) == {"view": COMPUTED}
    other = written(tmp_path, "other", "custom_hooks = []\n", "base.py")
    assert assigned_again(other) == {}  # nobody reads it
    cfg, _ = read_config(child)
    assert cfg.view.size == 64 and cfg.custom_hooks[0]["of"] == 32
