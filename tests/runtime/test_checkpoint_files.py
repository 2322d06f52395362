"""A checkpoint is there as a whole or not at all, and the last good one stays."""

import resource
from contextlib import contextmanager

import pytest
import torch
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.checkpoint_files import newest_checkpoint
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.utils.files import WholeFiles


def names(folder):
    return sorted(path.name for path in folder.glob("*.pth*"))


def again(folder, **options):
    cfg = tiny_config(folder, resume=True, **options)
    cfg.experiment_name += "_again"
    return cfg


@contextmanager
def full_disk(num_bytes):
    """No file of this process gets longer than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FillDisk(Hook):
    """The disk is full at the end of the second epoch."""

    def after_train_epoch(self, runner):
        if runner.epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))


def test_full_disk_stops_the_run_with_one_line_and_leaves_the_last_checkpoint(tmp_path):
    runner = build_runner(tiny_config(tmp_path))
    runner.register_hook(FillDisk())
    message = (
        r"cannot write the checkpoint .*epoch_2\.pth \(.*\); the last good checkpoint is "
        r".*epoch_1\.pth"
    )
    with full_disk(resource.RLIM_INFINITY), pytest.raises(HCSCError, match=message):
        runner.train()
    assert names(tmp_path) == ["epoch_1.pth"]
    assert train(again(tmp_path))[0].epoch == 3


def test_write_that_fails_leaves_the_file_that_had_the_name(tmp_path):
    path = tmp_path / "epoch_1.pth"
    torch.save({"state_dict": {}}, path)
    good = path.read_bytes()
    with full_disk(len(good)), pytest.raises(OSError):
        WholeFiles().put(good * 2, path)
    assert path.read_bytes() == good
    assert names(tmp_path) == ["epoch_1.pth"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"\0" * len(content),
    ],
)
def test_damaged_newest_checkpoint_is_passed_over_with_a_warning(tmp_path, damage):
    whole, _ = train(tiny_config(tmp_path))
    for name in ("epoch_2.pth", "epoch_3.pth"):
        newest = tmp_path / name
        newest.write_bytes(damage(newest.read_bytes()))
    resumed, record = train(again(tmp_path))
    assert len(record.losses) == 2 * (100 // 16)
    assert largest_difference(resumed.model.state_dict(), whole.model.state_dict()) <= 1e-6
    log = max(tmp_path.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    for name in ("epoch_2.pth", "epoch_3.pth"):
        assert sum("passed over" in line and name in line for line in log.splitlines()) == 1


def test_run_whose_checkpoints_are_all_damaged_does_not_start_anew_by_itself(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=1))
    (tmp_path / "epoch_1.pth").write_bytes(b"PK")
    with pytest.raises(
        HCSCError,
        match=r"none of the 1 checkpoints in .* can be resumed from: epoch_1\.pth .*; start anew "
        r"in another --work-dir, or move them away",
    ):
        train(again(tmp_path))


@pytest.mark.parametrize("name", ["best_accuracy.pth", "epoch_1.pth"])
def test_a_folder_with_weights_alone_is_not_taken_for_an_empty_one(tmp_path, name):
    torch.save({"state_dict": {}, "meta": {}, "message_hub": {}}, tmp_path / name)
    with pytest.raises(HCSCError, match=rf"can be resumed from: {name} lacks optimizer"):
        newest_checkpoint(tmp_path)
    assert newest_checkpoint(tmp_path / "empty") is None


def test_weights_alone_are_passed_over_where_there_is_more(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=1))
    torch.save({"state_dict": {}, "meta": {}, "message_hub": {}}, tmp_path / "best_accuracy.pth")
    assert newest_checkpoint(tmp_path) == str(tmp_path / "epoch_1.pth")


def test_resume_in_an_empty_folder_starts_anew(tmp_path):
    assert train(tiny_config(tmp_path, resume=True, train_cfg__max_epochs=1))[0].epoch == 1


def test_checkpoint_that_the_pointer_does_not_name_yet_is_found(tmp_path):
    """As after a kill between the two."""
    train(tiny_config(tmp_path, train_cfg__max_epochs=2))
    (tmp_path / "last_checkpoint").write_text(str(tmp_path / "epoch_1.pth"))
    assert newest_checkpoint(tmp_path) == str(tmp_path / "epoch_2.pth")


def test_old_checkpoints_go_only_when_the_new_one_is_whole(tmp_path):
    seen = []

    class Look(Hook):
        def before_save_checkpoint(self, runner, checkpoint):
            seen.append(names(tmp_path))

    runner = build_runner(tiny_config(tmp_path, default_hooks__checkpoint__max_keep_ckpts=1))
    runner.register_hook(Look())
    runner.train()
    assert seen == [[], ["epoch_1.pth"], ["epoch_2.pth"]]
    assert names(tmp_path) == ["epoch_3.pth"]


def test_what_a_killed_run_was_writing_is_removed_and_what_it_should_have_deleted_too(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=2))
    (tmp_path / "epoch_3.pth.part").write_bytes(b"PK half a checkpoint")
    train(again(tmp_path, default_hooks__checkpoint__max_keep_ckpts=1, train_cfg__max_epochs=2))
    assert names(tmp_path) == ["epoch_2.pth"]


def test_a_resume_warns_of_nothing_that_is_as_it_should_be(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=1))
    saved = torch.load(tmp_path / "epoch_1.pth", weights_only=True)["message_hub"]
    assert not {*saved["resumed_keys"]} <= {*saved["runtime_info"], *saved["log_scalars"]}
    train(again(tmp_path))
    log = max(tmp_path.glob("*/*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    warned = [line for line in log.splitlines() if "is not defined in message_hub" in line]
    assert not warned
