"""How many images may be unreadable. Runs in which files vanish are in test_bad_data."""

import json

import pytest
from bad_runs import run

from hcsc_mm import HCSCError
from hcsc_mm.engine import UnreadableImagesHook

BROKEN = ("03.png", "05.png", "20.png", "21.png")


def counts(work_dir):
    lines = next(work_dir.glob("*/vis_data/scalars.json")).read_text().splitlines()
    return [
        entry["hcsc/unreadable_images"]
        for entry in map(json.loads, lines)
        if "hcsc/unreadable_images" in entry
    ]


@pytest.mark.parametrize(
    ("share", "stops"), [(0.125, False), (0.1, False), (0.09, True), (0.0, True)]
)
def test_share_is_rounded_up_to_whole_images(tmp_path, share, stops):
    ending = run(
        tmp_path, "skip", broken=BROKEN, default_hooks__unreadable__max_share=share
    )  # 4 of 32
    assert (ending.error is not None) == stops


@pytest.mark.parametrize(("number", "stops"), [(4, False), (3, True)])
def test_number_limits_too(tmp_path, number, stops):
    limits = {
        "default_hooks__unreadable__max_share": 1.0,
        "default_hooks__unreadable__max_number": number,
    }
    ending = run(tmp_path, "skip", broken=BROKEN, **limits)
    assert (ending.error is not None) == stops
    if stops:
        assert (
            "at most 3 may be: mend or remove them, or raise max_share or max_number of "
            "UnreadableImagesHook" in ending.error
        )


def test_count_is_reported_in_one_line_with_the_first_paths_and_once(tmp_path):
    ending = run(
        tmp_path,
        "skip",
        broken=BROKEN,
        default_hooks__unreadable__max_share=0.5,
        train_cfg__max_epochs=4,
    )
    lines = [line for line in ending.log.splitlines() if "could not be read" in line]
    assert sum("4 of 32 images could not be read" in line for line in lines) == 1
    assert (
        f"4 of 32 images could not be read: {tmp_path}/images/03.png, {tmp_path}/images/05.png, "
        f"{tmp_path}/images/20.png, …" in lines[-1]
    )
    assert counts(tmp_path / "run")[-1] == 4
    assert ending.unreadable == {3, 5, 20, 21}


def test_limit_is_looked_at_within_an_epoch_too(tmp_path):
    options = {
        "default_hooks__unreadable__interval": 1,
        "train_dataloader__batch_size": 2,
        "default_hooks__clustering__warmup_epochs": 9,
    }
    ending = run(
        tmp_path, "skip", broken=tuple(f"{index:02}.png" for index in range(16)), **options
    )
    assert ending.error is not None
    steps = ending.log.count("Epoch(train)")
    assert (
        steps < 8
    )  # of 16 in the first epoch: of 8 images in order, two are among the 16 broken ones


def test_whole_images_count_for_nothing(tmp_path):
    ending = run(tmp_path, "skip", default_hooks__unreadable__max_share=0.0)
    assert (ending.error, ending.unreadable, counts(tmp_path / "run")) == (None, set(), [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_share": 1.1}, "max_share=1.1"),
        ({"max_number": -1}, "max_number=-1"),
        ({"interval": 0}, "interval=0"),
    ],
)
def test_wrong_limits_are_refused(options, message):
    with pytest.raises(HCSCError, match=message):
        UnreadableImagesHook(**options)
