"""What a run may start over, and what it may go on from."""

import shutil

import pytest
import torch
from tiny import tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

SHORT = {
    "train_dataloader__dataset__indices": 32,
    "default_hooks__clustering__warmup_epochs": 99,
    "train_cfg__max_epochs": 1,
}


def config(folder, **options):
    return tiny_config(folder, **{**SHORT, **options})


def bytes_of(folder):
    """Of its checkpoints and the copy of its config."""
    files = [path for path in folder.iterdir() if path.is_file()]
    assert {".pth", ".py"} <= {path.suffix for path in files}
    return {path.name: path.read_bytes() for path in files}


def test_a_folder_whose_checkpoints_lack_the_optimizer_is_refused_and_left_as_it_is(tmp_path):
    train(config(tmp_path, default_hooks__checkpoint__save_optimizer=False))
    before = bytes_of(tmp_path)
    for options in (
        {"resume": True},
        {"resume": True, "load_from": str(tmp_path / "epoch_1.pth")},
        {},
    ):
        with pytest.raises(HCSCError, match=r"lacks optimizer|checkpoints of another run"):
            train(config(tmp_path, train_cfg__max_epochs=2, **options))
    assert bytes_of(tmp_path) == before


@pytest.mark.parametrize("entry", ["optimizer", "meta", "message_hub", "state_dict"])
def test_a_file_that_lacks_what_a_resume_needs_is_refused_by_name(tmp_path, entry):
    train(config(tmp_path / "old"))
    checkpoint = torch.load(tmp_path / "old" / "epoch_1.pth", weights_only=True)
    del checkpoint[entry]
    torch.save(checkpoint, tmp_path / "part.pth")
    with pytest.raises(HCSCError, match=rf"part\.pth lacks {entry}|another architecture"):
        train(config(tmp_path / "new", resume=True, load_from=str(tmp_path / "part.pth")))


def test_a_run_does_not_write_over_the_checkpoints_of_another(tmp_path):
    train(config(tmp_path / "one"))
    before = bytes_of(tmp_path / "one")
    with pytest.raises(HCSCError, match=r"holds the checkpoints of another run, epoch_1\.pth"):
        train(config(tmp_path / "one", randomness__seed=1))
    assert bytes_of(tmp_path / "one") == before
    # its advice, tried
    assert train(config(tmp_path / "one", resume=True, train_cfg__max_epochs=2))[0].epoch == 2
    assert train(config(tmp_path / "other", randomness__seed=1))[0].epoch == 1


def test_nor_does_one_that_goes_on_from_a_checkpoint_elsewhere(tmp_path):
    train(config(tmp_path / "one"))
    train(config(tmp_path / "two"))
    source = str(tmp_path / "one" / "epoch_1.pth")
    options = {"resume": True, "load_from": source, "train_cfg__max_epochs": 2}
    with pytest.raises(HCSCError, match=r"holds other checkpoints than .*one/epoch_1\.pth"):
        train(config(tmp_path / "two", **options))
    assert train(config(tmp_path / "three", **options))[0].epoch == 2
    assert train(config(tmp_path / "one", **options))[0].epoch == 2


def test_after_a_crash_without_a_checkpoint_the_same_command_works(tmp_path):
    runner = build_runner(config(tmp_path))
    runner.train_loop  # noqa: B018  the work folder and a log are there, and no checkpoint
    assert train(config(tmp_path))[0].epoch == 1


def test_a_folder_of_checkpoints_elsewhere_is_looked_at_too(tmp_path):
    options = {"default_hooks__checkpoint__out_dir": str(tmp_path / "store")}
    train(config(tmp_path / "run", **options))
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(HCSCError, match=r"store/run holds the checkpoints of another run"):
        train(config(tmp_path / "run", **options))


def test_a_seed_that_nobody_gave_is_the_checkpoints_on_resume(tmp_path):
    """Model, augmentations and the order of the images: all follow from it."""
    options = {"randomness__seed": None, "train_cfg__max_epochs": 3}
    _, whole = train(config(tmp_path / "whole", **options))
    (tmp_path / "run").mkdir()
    shutil.copy(tmp_path / "whole" / "epoch_1.pth", tmp_path / "run")
    _, rest = train(config(tmp_path / "run", resume=True, **options))
    assert rest.losses == pytest.approx(whole.losses[2:], rel=1e-6)
