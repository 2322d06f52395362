"""From a pre-training config through its benchmarks to one table."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone

from mmengine.config import Config
from mmengine.dist import is_main_process

from ..errors import HCSCError
from ..runtime.checkpoint_files import newest_checkpoint
from ..runtime.configs import check_kept, merge_options
from ..runtime.launch import (
    Metrics,
    load_changed_config,
    test,
    test_metrics,
    train,
)
from ..runtime.processes import start_processes
from ..runtime.view_sizes import differing_sizes, fit_sizes, shown
from ..utils.agreement import on_main_process
from ..utils.text import shown_path
from .chain_options import ChainOptions
from .data import DataSets
from .options import FLAG, names_sizes, options_of, read_stages
from .plan import PRETRAIN, Stage, choose, stages_of
from .planned import JudgedWeights, PlannedStage, note_data, plan_stage
from .prepare import check_data, check_moved, file_digest, fit_to_pretraining
from .pretraining import finished_pretraining
from .processes import headline, locked, stoppable
from .rehearsal import rehearse
from .results import Result, save_table, table

_WHO = "the chain of stages"


class Chain:
    """A pre-training and its benchmarks.

    All configs are read, and changed as the options say, before anything runs. Every rank of a
    distributed run makes the same object.

    Args:
        config: Path of the pre-training config.
        options: What the command line said, see :class:`ChainOptions`.

    Raises:
        HCSCError: a config is missing or broken, or a stage or option does not exist.
    """

    def __init__(self, config: str, options: ChainOptions) -> None:
        self.options = options
        self.pretraining, changes = load_changed_config(config, options.cfg_options)
        options.put_into(self.pretraining)
        merge_options(self.pretraining, changes)
        check_kept(self._pretraining_as_run(), changes, "--cfg-options ", _WHO)
        known = stages_of(self.pretraining, config)
        self.pretrains, self.stages = choose(known, options.stages)
        if options.checkpoint is not None:
            if options.stages is not None and self.pretrains:
                raise HCSCError(
                    "--checkpoint is what to judge instead of pre-training; leave out one of it "
                    "and the stage pretrain"
                )
            self.pretrains = False
        self._data = DataSets()
        self._configs = {}
        asked = read_stages(known, options.stage_options, options.put_into)
        plain = read_stages(known, {}, options.put_into)
        self._own_sizes = {
            stage
            for stage, (cfg, _) in asked.items()
            if cfg.get("own_image_size")
            or shown(cfg) != shown(plain[stage][0])
            or names_sizes(options_of(stage, options.stage_options))
        }
        for stage, read in asked.items():
            self._configs[stage], changes = read
            prepared = self._stage_as_run(stage, "the checkpoint of the pre-training")
            prepared.work_dir = prepared.experiment_name = "named after its inputs"
            check_kept(prepared, changes, f"{FLAG}{stage.name}.", _WHO)
        if options.data_root is not None:
            check_moved([self.pretraining, *self._configs.values()], options.data_root)

    def run(self) -> list[Result]:
        """Run what is not finished yet; save the table after each stage, and print it at the end,
        whatever that is.

        Raises:
            HCSCError: another chain is at work in the folder, or a stage cannot run; what is
                finished stays.
        """
        start_processes(self.pretraining)
        with self._alone_in_work_dir():
            weights = self._weights()
            plans = {stage: self._plan(stage, weights) for stage in self._configs}
            results = {
                stage: found
                for stage, plan in plans.items()
                if (found := on_main_process(plan.finished)) is not None
            }
            try:
                self._run_stages(plans, results, weights)
            finally:
                finished = [results[stage] for stage in plans if stage in results]
                self._save(finished)
                if finished and is_main_process():
                    print(table(finished), end="", flush=True)
            return finished

    def _run_stages(
        self,
        plans: Mapping[Stage, PlannedStage],
        results: dict[Stage, Result],
        weights: JudgedWeights,
    ) -> None:
        """Run what is wanted and not in ``results``, and put it there."""
        wanted = {stage.name: plans[stage].cfg for stage in self.stages if stage not in results}
        on_main_process(lambda: check_data(wanted))
        for number, stage in enumerate(self.stages, start=1):
            headline(f"stage {number} of {len(self.stages)}: {stage.name}")
            if stage in results:
                headline(
                    f"finished on {results[stage].date}, not run again; remove "
                    f"{plans[stage].cfg.work_dir} to do so"
                )
                continue
            self._say_sizes(stage)
            results[stage] = self._run_stage(stage, plans[stage], weights)
            self._save([results[one] for one in plans if one in results])

    def _say_sizes(self, stage: Stage) -> None:
        """A line where images are not shown as the stage's config says, or the pre-training."""
        cfg = copy.deepcopy(self._configs[stage])
        say = differing_sizes if stage in self._own_sizes else fit_sizes
        line = say(cfg, self.pretraining)
        if line is not None:
            headline(f"{stage.name}: {line}")

    def _save(self, results: list[Result]) -> None:
        """Of all stages that are finished, wanted this time or not."""
        if results and is_main_process():
            save_table(results, self.options.work_dir)

    def _pretraining_as_run(self) -> Config:
        cfg = copy.deepcopy(self.pretraining)
        cfg.work_dir, cfg.resume, cfg.load_from = self.options.work_dir, True, None
        return cfg

    def _stage_as_run(self, stage: Stage, checkpoint: str) -> Config:
        """A benchmark's config with the pre-training's backbone and weights."""
        cfg = copy.deepcopy(self._configs[stage])
        fit_to_pretraining(cfg, self.pretraining, checkpoint)
        if stage not in self._own_sizes:
            fit_sizes(cfg, self.pretraining)
        if cfg.get("train_cfg") is not None:  # from where an earlier attempt broke off
            cfg.resume, cfg.load_from = True, None
        return cfg

    def _weights(self) -> JudgedWeights:
        checkpoint = self._checkpoint()
        return JudgedWeights(checkpoint, on_main_process(lambda: file_digest(checkpoint)))

    def _checkpoint(self) -> str:
        """Of the pre-training, which is run, or gone on with, where it has not come to its end."""
        if self.options.checkpoint is not None:
            if not os.path.isfile(self.options.checkpoint):
                raise HCSCError(f"there is no checkpoint {self.options.checkpoint}")
            return os.path.abspath(self.options.checkpoint)
        folder = self.options.work_dir
        found = on_main_process(lambda: finished_pretraining(self.pretraining, folder, self._data))
        if found is not None:
            headline(f"{PRETRAIN}: finished, {found}")
            return found
        if not self.pretrains:
            raise HCSCError(
                f"the pre-training in {folder} is not finished; add the stage {PRETRAIN}, or give "
                "--checkpoint FILE"
            )
        wanted = {PRETRAIN: self.pretraining} | {
            stage.name: self._configs[stage] for stage in self.stages
        }
        on_main_process(lambda: check_data(wanted))
        stages = {stage.name: self._stage_as_run(stage, "") for stage in self.stages}
        on_main_process(lambda: rehearse(stages, self._data))
        self._data.forget()
        headline(PRETRAIN)
        with stoppable(PRETRAIN):
            train(self._pretraining_as_run())
        return on_main_process(lambda: newest_checkpoint(folder))

    def _plan(self, stage: Stage, weights: JudgedWeights) -> PlannedStage:
        cfg = self._stage_as_run(stage, weights.path)
        return plan_stage(stage.name, cfg, weights, self.options.work_dir, self._data)

    def _run_stage(self, stage: Stage, plan: PlannedStage, weights: JudgedWeights) -> Result:
        on_main_process(lambda: note_data(plan.cfg, self._data))
        with stoppable(stage.name):
            metrics = self._measure(plan.cfg)
        date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M")
        result = Result(
            stage.name,
            shown_path(stage.config),
            plan.inputs,
            weights.path,
            weights.sha256,
            date,
            *metrics,
        )
        if is_main_process():
            result.save(plan.cfg.work_dir)
        return result

    @staticmethod
    def _measure(cfg: Config) -> Metrics:
        """Train what there is to train, and test."""
        return test(cfg) if cfg.get("train_cfg") is None else test_metrics(train(cfg))

    @contextmanager
    def _alone_in_work_dir(self) -> Iterator[None]:
        """Two chains in one folder would write over each other's checkpoints."""
        with contextlib.ExitStack() as stack:
            on_main_process(lambda: stack.enter_context(locked(self.options.work_dir)) and None)
            yield
