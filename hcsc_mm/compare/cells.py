"""One cell of a comparison: its config, its place, whether it is done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import HCSCError
from ..runtime.launch import load_config
from ..runtime.trained_weights import start_from
from .grid import DataEntry, Grid, MethodEntry


@dataclass(frozen=True)
class Cell:
    """A method on a data set with a seed."""

    data: str
    method: str
    seed: int
    data_entry: DataEntry
    method_entry: MethodEntry

    @property
    def name(self) -> str:
        return f"{self.data}-{self.method}-{self.seed}"

    def inputs(self) -> str:
        """A digest of what the numbers follow from, so that a changed cell is run again."""
        method = asdict(self.method_entry)
        for key in ("config", "checkpoint"):
            path = asdict(self.data_entry).get(key) if key == "checkpoint" else method.get(key)
            method[f"{key}_text"] = _text(path)
        text = json.dumps(
            [asdict(self.data_entry), _text(self.data_entry.config), method, self.seed],
            sort_keys=True,
            default=repr,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def config_text(self, base: str) -> str:
        """A config of its own: the method's, on top of the data's at ``base``."""
        if self.method_entry.config is None:
            return f"_base_ = [{base!r}]\n"
        lines = Path(self.method_entry.config).read_text(encoding="utf-8").splitlines()
        places = [place for place, line in enumerate(lines) if line.startswith("_base_ = ")]
        if len(places) != 1:
            raise HCSCError(
                f"{self.method_entry.config} must have one line '_base_ = [...]', in whose place "
                "the data's config comes"
            )
        lines[places[0]] = f"_base_ = [{base!r}]"
        return "\n".join(lines) + "\n"

    def build_config(self, folder: Path) -> Config:
        """The pre-training config of this cell, written into its folder and read from there."""
        folder.mkdir(parents=True, exist_ok=True)
        data = load_config(self.data_entry.config)
        data.merge_from_dict(dict(self.data_entry.options))
        base = folder.resolve() / f"{self.data}.py"
        data.dump(base)
        path = folder / f"{self.name}.py"
        path.write_text(self.config_text(str(base)), encoding="utf-8")
        cfg = load_config(str(path))
        cfg.merge_from_dict(dict(self.method_entry.options))
        if self.data_entry.checkpoint is not None:
            start_from(cfg, self.data_entry.checkpoint)
        cfg.randomness = dict(cfg.get("randomness", {}), seed=self.seed)
        cfg.work_dir, cfg.launcher, cfg.experiment_name = str(folder), "none", self.name
        return cfg


def cells_of(grid: Grid) -> Iterator[Cell]:
    """All cells, seed after seed, so that a grid that is stopped early has a whole first seed."""
    for seed in grid.seeds:
        for data, data_entry in grid.data.items():
            for method, method_entry in grid.methods.items():
                if not grid.pairs or (data, method) in grid.pairs:
                    yield Cell(data, method, seed, data_entry, method_entry)


def finished(cell: Cell, folder: Path, broken: bool = False) -> dict[str, Any] | None:
    """The cell's result, if it has been run with these inputs.

    Args:
        cell: Which data set, method and seed to run.
        folder: Folder that results are written to.
        broken: Also one that broke down, which the next call tries again.

    Raises:
        HCSCError: the file is damaged.
    """
    path = folder / f"{cell.name}.json"
    if not path.is_file():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HCSCError(f"{path} is damaged ({error}); remove it to run the cell again") from None
    if result.get("inputs") != cell.inputs() or (result.get("broken") and not broken):
        return None
    return result


def _text(path: str | None) -> str:
    if path is None or not os.path.isfile(path) or os.path.getsize(path) > 2**20:
        return str(path)
    return Path(path).read_text(encoding="utf-8", errors="replace")
