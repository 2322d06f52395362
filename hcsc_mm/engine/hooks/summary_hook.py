"""The last words of a run: is it healthy, where is what it made, and what to type next."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...installed import config_name, tool_command
from ...registry import HOOKS
from ...runtime.console import duration
from ...runtime.hooks.progress_hook import HEALTH_KEY, VERDICT_KEY
from ...structures import ClustersImages
from ...utils.models import first_of
from ...utils.text import shown_path


@HOOKS.register_module()
class SummaryHook(Hook):
    """Print a short box at the end of training: time, health, checkpoint, tree, next commands."""

    priority = "LOWEST"  # when the last checkpoint is there

    def before_train(self, runner: Runner) -> None:
        self._began = time.monotonic()

    def after_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        checkpoint = runner.message_hub.runtime_info.get("last_ckpt")
        rows = {"time": duration(time.monotonic() - self._began), "health": self._health(runner)}
        if checkpoint:
            rows["checkpoint"] = shown_path(checkpoint)
        model = first_of(runner.model, ClustersImages)
        if checkpoint and model is not None and model.hierarchy is not None:
            numbers = " / ".join(map(str, model.hierarchy.num_prototypes))
            rows["tree"] = f"{numbers} prototypes, in the checkpoint"
        rows.update(self._next(runner, checkpoint))
        width = max(map(len, rows))
        lines = [f"  {name:<{width}}  {words}" for name, words in rows.items()]
        rule = "─" * min(100, max(map(len, lines)))
        runner.logger.info("\n".join(["finished", rule, *lines, rule]))

    @staticmethod
    def _health(runner: Runner) -> str:
        known = runner.message_hub.runtime_info
        found, verdict = known.get(HEALTH_KEY), known.get(VERDICT_KEY)
        if not found:
            return "not measured"
        words = ", ".join(f"{name} {words}" for name, words in found.items())
        return words if verdict is None else f"{verdict}: {words}"

    @staticmethod
    def _next(runner: Runner, checkpoint: str | None) -> dict[str, str]:
        """The two commands that most people type next."""
        if checkpoint is None:
            return {}
        # of the very images of the training, lists and all, which the checkpoint names
        weights = shlex.quote(shown_path(checkpoint))
        commands = {"look at it": f"{tool_command('build_tree')} {weights} --out tree"}
        if runner.cfg.get("stages") and runner.cfg.filename:
            config = shlex.quote(_config_as_trained(runner))
            commands["measure it"] = f"{tool_command('run_stages')} {config} --checkpoint {weights}"
        return commands


def _config_as_trained(runner: Runner) -> str:
    """The dumped config, which has the options of the command line, data_root among them; the
    original where its stages are told relative to its folder.
    """
    dumped = Path(runner.work_dir) / Path(runner.cfg.filename).name
    if dumped.is_file() and all(os.path.isabs(stage) for stage in runner.cfg.stages):
        return shown_path(dumped)
    return config_name(runner.cfg.filename)
