"""A run that was interrupted ends where the uninterrupted one ends."""

import shutil

import pytest
import torch
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

EPOCHS = 4


def config(work_dir, **options):
    return tiny_config(work_dir, train_cfg__max_epochs=EPOCHS, **options)


def interrupted_after(epoch, source, target):
    target.mkdir()
    shutil.copy(source / f"epoch_{epoch}.pth", target)
    (target / "last_checkpoint").write_text(str(target / f"epoch_{epoch}.pth"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_dataloader__num_workers": 2},
        {"default_hooks__clustering__interval": 2},
        {"default_hooks__clustering__warm_start": True},
    ],
    ids=["plain", "two workers", "clustering every other epoch", "warm start"],
)
def test_resuming_at_any_epoch_boundary_gives_the_numbers_of_the_uninterrupted_run(
    tmp_path, options
):
    whole, record = train(config(tmp_path / "whole", **options))
    final = whole.model.state_dict()
    steps = len(record.losses) // EPOCHS
    for epoch in range(1, EPOCHS):
        folder = tmp_path / f"from{epoch}"
        interrupted_after(epoch, tmp_path / "whole", folder)
        resumed, rest = train(config(folder, resume=True, **options))
        assert rest.losses == pytest.approx(record.losses[epoch * steps :], rel=1e-6)
        assert largest_difference(resumed.model.state_dict(), final) <= 1e-6
        assert torch.equal(resumed.model.hierarchy.assignment, whole.model.hierarchy.assignment)


def test_two_runs_with_one_seed_are_equal_and_with_another_are_not(tmp_path):
    first, second, other = (
        train(tiny_config(tmp_path / name, randomness__seed=seed))[0].model.state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert largest_difference(first, second) == 0
    assert largest_difference(first, other) > 1e-3


@pytest.fixture(scope="module")
def one_epoch(tmp_path_factory):
    """A run's folder, which tests leave as it is, and its runner."""
    folder = tmp_path_factory.mktemp("one_epoch")
    return folder, train(tiny_config(folder, train_cfg__max_epochs=1))[0]


def test_resume_refuses_a_data_set_of_another_size(tmp_path, one_epoch):
    shutil.copy(one_epoch[0] / "epoch_1.pth", tmp_path)
    before = (tmp_path / "epoch_1.pth").read_bytes()
    cfg = tiny_config(
        tmp_path,
        train_dataloader__dataset__indices=90,
        resume=True,
        load_from=str(tmp_path / "epoch_1.pth"),
    )
    cfg.experiment_name += "_again"
    with pytest.raises(HCSCError, match=r"trained on 100 images, the data set has 90"):
        train(cfg)
    assert (tmp_path / "epoch_1.pth").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {
                "model__backbone__base_channels": 8,
                "model__backbone__stem_channels": 8,
                "model__neck__in_channels": 64,
            },
            "another shape",
        ),
        ({"model__neck__num_layers": 3}, "missing"),
        ({"model__queue_len": 64}, "queue.keys"),
    ],
)
def test_resume_refuses_a_checkpoint_of_another_architecture(tmp_path, one_epoch, options, named):
    old = str(one_epoch[0] / "epoch_1.pth")
    cfg = tiny_config(tmp_path / "new", resume=True, load_from=old, **options)
    with pytest.raises(HCSCError, match=r"another architecture") as error:
        train(cfg)
    assert named in str(error.value)


def test_start_from_weights_without_a_common_name_is_refused(tmp_path):
    torch.save(
        {"state_dict": {"module.encoder_q.conv1.weight": torch.zeros(1)}, "meta": {}},
        tmp_path / "foreign.pth",
    )
    with pytest.raises(
        HCSCError, match=r"holds no weight of this model: it starts with encoder_q\.conv1\.weight"
    ):
        train(tiny_config(tmp_path / "run", load_from=str(tmp_path / "foreign.pth")))


def test_resume_refuses_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(HCSCError, match=r"load_from=3 must be a path"):
        train(tiny_config(tmp_path / "run", load_from=3))
    with pytest.raises(HCSCError, match=r"no checkpoint .*gone\.pth"):
        build_runner(tiny_config(tmp_path, resume=True, load_from=str(tmp_path / "gone.pth")))


def test_weights_without_a_key_encoder_start_both_encoders(tmp_path, one_epoch):
    backbone = {
        name: value
        for name, value in one_epoch[1].model.state_dict().items()
        if name.startswith("backbone.")
    }
    torch.save({"state_dict": backbone, "meta": {}}, tmp_path / "backbone.pth")
    cfg = tiny_config(tmp_path / "new", load_from=str(tmp_path / "backbone.pth"))
    cfg.optim_wrapper.optimizer.lr = 0.0  # nothing but loading changes the weights
    model = train(cfg)[0].model
    own = model.state_dict()
    for name, value in backbone.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(own[name], value)
            torch.testing.assert_close(
                own["momentum_encoder.encoder.0." + name.removeprefix("backbone.")], value
            )
