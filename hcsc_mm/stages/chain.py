"""From a pre-training config through its benchmarks to one table."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

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
from ..runtime.precision import use_mixed_precision
from ..runtime.processes import start_processes
from ..runtime.view_sizes import differing_sizes, fit_sizes, shown
from ..utils.agreement import on_main_process
from ..utils.files import write_text
from ..utils.safe_load import load_data
from ..utils.text import shown_path
from .data import DataSets
from .options import FLAG, names_sizes, options_of, read_stages
from .plan import PRETRAIN, Stage, choose, stages_of
from .planned import (
    DATA_NOTE,
    PRETRAIN_DATA_NOTE,
    PRETRAIN_NOTE,
    JudgedWeights,
    PlannedStage,
    read_note,
)
from .prepare import check_moved, digest, file_digest, fit_to_pretraining, missing_data, move_data
from .processes import headline, locked, stoppable
from .rehearsal import rehearse
from .results import Result, save_table, table

_WHO = "the chain of stages"


@dataclass
class ChainOptions:
    """What the command line may say; the flags of ``tools/run_stages.py``.

    Attributes:
        work_dir: Work folder of the pre-training; a stage has the folder <name>/<digest of its
            inputs> in it.
        stages: Names or kinds; None: all.
        checkpoint: Weights to judge instead of pre-training.
        data_root: The folder of data sets, in the place of data/ in all configs.
        launcher: What started the processes.
        amp: Kind of mixed precision to train with, 'fp16' or 'bf16'; None: float32.
        cfg_options: Key → text or value: what to change in the pre-training config.
        stage_options: '<stage>.<key>' → text or value: what to change in benchmark configs; by a
            stage's name, its kind, or 'all'.
    """

    work_dir: str
    stages: list[str] | None = None
    checkpoint: str | None = None
    data_root: str | None = None
    launcher: str = "none"
    amp: str | None = None
    cfg_options: dict[str, Any] = field(default_factory=dict)
    stage_options: dict[str, Any] = field(default_factory=dict)


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
        self._flags(self.pretraining)
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
        asked = read_stages(known, options.stage_options, self._flags)
        plain = read_stages(known, {}, self._flags)
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
        on_main_process(lambda: self._check_data(wanted))
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

    def _flags(self, cfg: Config) -> Config:
        """Put the flags into a config, in place."""
        cfg.launcher = self.options.launcher
        if self.options.data_root is not None:
            move_data(cfg, self.options.data_root)
        if self.options.amp is not None and cfg.get("optim_wrapper") is not None:
            use_mixed_precision(cfg, self.options.amp)
        return cfg

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
        found = on_main_process(lambda: self._finished_pretraining(folder))
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
        on_main_process(lambda: self._check_data(wanted))
        stages = {stage.name: self._stage_as_run(stage, "") for stage in self.stages}
        on_main_process(lambda: rehearse(stages, self._data))
        self._data.forget()
        headline(PRETRAIN)
        with stoppable(PRETRAIN):
            train(self._pretraining_as_run())
        return on_main_process(lambda: newest_checkpoint(folder))

    @staticmethod
    def _check_data(configs: dict[str, Config]) -> None:
        """Refuse data that are not there before anything runs: not after a week of pre-training,
        and not after the stages before.

        Raises:
            HCSCError: a folder does not exist; it is named, and who needs it.
        """
        for name, cfg in configs.items():
            missing = missing_data(cfg)
            if missing:
                others = ",".join(other for other in configs if other != name)
                raise HCSCError(
                    f"{name} needs the data in {missing[0]}, which does not exist; put them there, "
                    "say where data sets lie with --data-root DIR, or leave the stage out: "
                    f"--stages {others}"
                )

    def _finished_pretraining(self, folder: str) -> str | None:
        """The last checkpoint of a pre-training that has done all its epochs; None if there is none
        such.

        Raises:
            HCSCError: the folder holds the pre-training of another config.
        """
        inputs, data = digest(self.pretraining, None), self._data.digest(self.pretraining)
        checkpoint = newest_checkpoint(folder)
        known, images = (read_note(folder, note) for note in (PRETRAIN_NOTE, PRETRAIN_DATA_NOTE))
        if checkpoint is not None and known not in (None, inputs):
            raise HCSCError(
                f"{folder} holds a pre-training of another config or with other options; choose "
                "another --work-dir, or give the same options again"
            )
        write_text(os.path.join(folder, PRETRAIN_NOTE), inputs)
        if checkpoint is not None and None not in (images, data) and images != data:
            headline(
                f"{PRETRAIN}: its images are others now than when it began in {folder}; another "
                "--work-dir trains on them from the start"
            )
        elif data is not None:
            write_text(os.path.join(folder, PRETRAIN_DATA_NOTE), data)
        if checkpoint is None:
            return None
        meta = load_data(checkpoint, map_location="cpu", mmap=True)["meta"]
        length = self.pretraining.train_cfg
        over = (
            meta["epoch"] >= length.max_epochs
            if "max_epochs" in length
            else meta["iter"] >= length.max_iters
        )
        return checkpoint if over else None

    def _plan(self, stage: Stage, weights: JudgedWeights) -> PlannedStage:
        cfg = self._stage_as_run(stage, weights.path)
        inputs = digest(cfg, weights.sha256)
        folder = os.path.join(self.options.work_dir, stage.name, inputs[:8])
        data = on_main_process(lambda: self._other_data(cfg, folder))
        if data is not None:
            headline(
                f"{stage.name}: images or labels are others than for {folder}, which stays; it is "
                "run anew"
            )
            inputs = digest(cfg, f"{weights.sha256} {data}")
        cfg.work_dir, cfg.experiment_name = (
            os.path.join(self.options.work_dir, stage.name, inputs[:8]),
            f"{stage.name}_{inputs[:8]}",
        )
        return PlannedStage(cfg, inputs)

    def _other_data(self, cfg: Config, folder: str) -> str | None:
        """The digest of a stage's images and labels, if they are not those that its folder is of;
        the first rank's.
        """
        known = read_note(folder, DATA_NOTE)
        data = None if known is None else self._data.digest(cfg)
        return None if data == known else data

    def _note_data(self, cfg: Config) -> None:
        """Leave the digest of a stage's images and labels in its folder, for the first rank."""
        data = self._data.digest(cfg)
        if data is not None:
            write_text(os.path.join(cfg.work_dir, DATA_NOTE), data)
        self._data.forget()  # a million names are not kept through a training

    def _run_stage(self, stage: Stage, plan: PlannedStage, weights: JudgedWeights) -> Result:
        on_main_process(lambda: self._note_data(plan.cfg))
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
