"""A checkpoint whose weights are an average, in a run that averages none."""

from __future__ import annotations

from mmengine.hooks import EMAHook
from mmengine.runner import Runner

_IN_AVERAGE = "module."  # before the names of the weights beside an average


def leave_out_average(runner: Runner, checkpoint: dict) -> None:
    """Bring the weights that were trained to their place in a checkpoint of mmengine's ``EMAHook``,
    whose ``state_dict`` is their average: a run without the hook would go on from that. With a
    warning.

    Args:
        runner: That resumes; one with the hook needs the checkpoint as it is.
        checkpoint: Changed in place.
    """
    if any(isinstance(hook, EMAHook) for hook in runner.hooks):
        return
    trained = checkpoint.pop("ema_state_dict", {})
    state = checkpoint["state_dict"]
    for name, value in trained.items():
        if name.removeprefix(_IN_AVERAGE) in state and name.startswith(_IN_AVERAGE):
            state[name.removeprefix(_IN_AVERAGE)] = value
    if trained:
        runner.logger.warning(
            "the checkpoint's run averaged its weights by EMAHook, and this one has none: it goes "
            "on from the weights that were trained, without the average"
        )
