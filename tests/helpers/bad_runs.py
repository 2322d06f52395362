"""What may happen to images while a run reads them, and how the run has to end; the table of
outcomes is docs/bad_data.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mmengine.hooks import Hook
from noise import noise, save_pngs
from tiny import folder_config

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner

NUM_IMAGES = 32


class Ending(NamedTuple):
    """Of a run: the message that it stopped with, if any; its log; the images that it skipped; the
    epochs and steps it completed.
    """

    error: str | None
    log: str
    unreadable: set[int]
    epochs: int
    steps: int


def photographs(folder: Path) -> Path:
    return save_pngs(noise(NUM_IMAGES), folder)


class Vanish(Hook):
    """Files go when the second epoch begins, before anything reads them."""

    priority = "VERY_HIGH"

    def __init__(self, *names: str) -> None:
        self.names = names

    def before_train_epoch(self, runner) -> None:
        if runner.epoch == 1:
            for name in self.names:
                (Path(runner.train_dataloader.dataset.data_root) / name).unlink()


def run(
    folder: Path,
    unreadable: str,
    vanishing: tuple[str, ...] = (),
    broken: tuple[str, ...] = (),
    **options,
) -> Ending:
    """Two epochs on 32 images, with a clustering before the second unless the options say
    otherwise.
    """
    images = photographs(folder / "images")
    for name in broken:
        (images / name).write_bytes(b"this is no picture")
    cfg = folder_config(folder, images, unreadable)
    cfg.log_level = "INFO"
    cfg.merge_from_dict({key.replace("__", "."): value for key, value in options.items()})
    runner = build_runner(cfg)
    runner.register_hook(Vanish(*vanishing))
    error = None
    try:
        runner.train()
    except HCSCError as raised:
        error = raised.one_line()
    (hook,) = [hook for hook in runner.hooks if type(hook).__name__ == "UnreadableImagesHook"]
    log = next((folder / "run").glob("*/*.log")).read_text()
    return Ending(error, log, hook.unreadable, runner.epoch, runner.iter)


def vanishes_under_stop(folder: Path) -> None:
    ending = run(folder, "stop", vanishing=("05.png",))
    assert ending.epochs == 1
    assert ending.error.startswith(
        f"cannot read image {folder}/images/05.png (FileNotFoundError: No such file or directory)"
    )
    assert [path.name for path in (folder / "run").glob("*.pth")] == ["epoch_1.pth"]


def vanishes_under_skip(folder: Path) -> None:
    ending = run(folder, "skip", vanishing=("05.png",))
    assert (ending.error, ending.epochs, ending.unreadable) == (None, 2, {5})
    (line,) = [line for line in ending.log.splitlines() if "could not be read" in line]
    assert (
        f"1 of 32 images could not be read: {folder}/images/05.png; they are left out, at most 1 "
        "may be" in line
    )


def vanishes_in_warm_up(folder: Path) -> None:
    """No clustering looks at the images: the workers' marks alone tell."""
    ending = run(
        folder,
        "skip",
        vanishing=("05.png",),
        default_hooks__clustering__warmup_epochs=9,
        train_dataloader__num_workers=2,
    )
    assert (ending.error, ending.epochs, ending.unreadable) == (None, 2, {5})


def more_than_the_limit(folder: Path) -> None:
    ending = run(folder, "skip", vanishing=("03.png", "05.png"))
    assert (ending.epochs, ending.steps) == (
        1,
        2,
    )  # the clustering before the second epoch has told
    first_ones = f"{folder}/images/03.png, {folder}/images/05.png"
    assert ending.error == (
        f"2 of 32 images could not be read: {first_ones}; at most 1 may be: mend or remove them, "
        "or raise max_share of UnreadableImagesHook"
    )


def everything_vanishes(folder: Path) -> None:
    everything = tuple(f"{index:02}.png" for index in range(NUM_IMAGES))
    ending = run(folder, "skip", vanishing=everything, default_hooks__clustering__warmup_epochs=9)
    assert ending.epochs == 1
    assert "101 images in a row cannot be read, the first is " in ending.error
    assert f"see whether {folder}/images is still there" in ending.error


RUNS: dict[str, tuple[Callable[[Path], None], str]] = {
    "file that vanishes during training, unreadable='stop'": (vanishes_under_stop, "stops"),
    "file that vanishes during training, unreadable='skip'": (
        vanishes_under_skip,
        "skipped, counted",
    ),
    "file that vanishes during warm-up, unreadable='skip'": (
        vanishes_in_warm_up,
        "skipped, counted",
    ),
    "more unreadable images than the limit": (more_than_the_limit, "stops"),
    "folder that vanishes during training": (everything_vanishes, "stops"),
}
