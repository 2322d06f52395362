"""One cell of a comparison: its config, its place, whether it is done."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import HCSCError
from ..runtime.configs import UnknownKeyError, is_plain
from ..runtime.launch import load_config_with_known
from ..runtime.trained_weights import start_from
from ..stages.prepare import file_digest
from .grid import DataEntry, Grid, MethodEntry
from .method_files import write_method

# What says where a run lies, and not what it computes.
_PLACES = ("work_dir", "experiment_name", "launcher", "stages", "title", "filename")
# What configs have got later, with the value that means what ran before they had it.
_AS_BEFORE = {
    "seeding": "k-means++",
    "default_hooks.clustering.seeding": "k-means++",
    "default_hooks.key_momentum": None,
}
_OPTIONS = "the grid's options "
_APART = 1000  # from the seed of a chain's model to the next one's


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
        """A digest of what the numbers follow from, so that a changed cell is run again: the whole
        config that it trains with, and how it is measured, wherever the files lie.
        """
        data, method = self.data_entry, self.method_entry
        measured = {name: getattr(data, name) for name in _MEASURED}
        measured |= {"trains": method.trains, "yardsticks": method.yardsticks}
        measured |= {"chain": method.chain} if method.chain > 1 else {}
        text = json.dumps(
            [config_text(_Key(replace(self, seed=0))), measured, self.seed],
            sort_keys=True,
            default=repr,
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def start(self) -> str | None:
        """A digest of the weights that the data starts from; None if there are none here."""
        path = self.data_entry.checkpoint
        if path is None or not os.path.isfile(path):
            return None
        return _digest_of_file(path, os.path.getsize(path), os.path.getmtime(path))

    def check(self) -> None:
        """Refuse what cannot be run, before anything is.

        Raises:
            HCSCError: an option that no config knows, or weights that are not there.
        """
        self.inputs()
        path = self.data_entry.checkpoint
        if path is not None and not os.path.isfile(path):
            raise HCSCError(f"{self.data} starts from {path}, which does not exist")

    def data_config(self, **link: Any) -> tuple[Config, dict[str, Any]]:
        """The data's config with the options of the data and of the method; and what is wrong with
        those of the method that it does not know: they are for the method's own config.

        Args:
            **link: Further options of the method, of one of a chain's models.
        """
        own = {**self.method_entry.options, **link}
        options = {**self.data_entry.options, **own}
        cfg, _, unknown = load_config_with_known(self.data_entry.config, options, _OPTIONS)
        for name, error in unknown.items():
            if name not in own:
                raise error
        return cfg, unknown

    def build_config(self, folder: Path, earlier: Sequence[str] = ()) -> Config:
        """The pre-training config of this cell, written into its folder and read from there.

        Args:
            folder: Where it is written; the run's own folder.
            earlier: Checkpoints of the models before this one, of a method that is a chain.

        Raises:
            HCSCError: an option that neither the data's config nor the method's knows, a method
                that does not stand on one HCSC config, or epochs that a chain cannot share evenly.
        """
        folder.mkdir(parents=True, exist_ok=True)
        link = self._link(earlier)
        data, unknown = self.data_config(**link)
        cfg, still = self._method_on(data, folder, link)
        for name in unknown.keys() & still.keys():
            raise still[name]
        # what the method assigns again: in the data's config all that follows from it follows
        names = {name: value for name, value in data.items() if is_plain(value)}
        again = {name: cfg[name] for name, value in names.items() if cfg.get(name) != value}
        if again:
            data, _ = self.data_config(**link, **again)
            data.update({name: names[name] for name in again})  # what the method computes it from
            cfg, _ = self._method_on(data, folder, link)
        if self.data_entry.checkpoint is not None:
            start_from(cfg, self.data_entry.checkpoint)
        seed = self.seed + _APART * len(earlier)  # each of a chain has weights of its own
        cfg.randomness = dict(cfg.get("randomness", {}), seed=seed)
        cfg.work_dir, cfg.launcher = str(folder), "none"
        cfg.experiment_name = f"{self.name}-{len(earlier)}" if link else self.name
        return cfg

    def _method_on(
        self, data: Config, folder: Path, link: Mapping[str, Any]
    ) -> tuple[Config, dict[str, UnknownKeyError]]:
        """The method's config on the data's; and what is wrong with options unknown to it."""
        base = folder / f"{self.data}.py"
        data.dump(base)
        path = folder / f"{self.name}.py"
        write_method(self.method_entry.config, base, path)
        options = {**self.method_entry.options, **link}
        cfg, _, unknown = load_config_with_known(str(path), options, _OPTIONS)
        return cfg, unknown

    def _link(self, earlier: Sequence[str]) -> dict[str, Any]:
        """Options of one of a chain's models."""
        number = self.method_entry.chain
        if number == 1:
            return {}
        whole = self.data_config()[0].train_cfg.max_epochs
        if whole % number:
            raise HCSCError(f"{self.name}: a chain of {number} cannot share {whole} epochs evenly")
        epochs = whole // number
        lengths = {"max_epochs": epochs, "train_cfg.max_epochs": epochs}  # what follows, and it
        return {**lengths, "earlier": list(earlier)}


_MEASURED = ("train", "test", "gallery", "num_clusters", "k", "projection", "linear")


class _Key:
    """A cell as a key: equal entries have equal configs."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self._text = cell, repr((cell.data, cell.data_entry, cell.method_entry))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@cache
def config_text(key: _Key) -> str:
    """The whole config as text, without what says where the run lies."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = key.cell.build_config(Path(folder)).to_dict()
        for hook in cfg.get("custom_hooks") or []:
            hook.pop("checkpoint", None)  # its bytes count, not its path
        cfg.get("default_hooks", {}).pop("tree_picture", None)  # draws, and changes no number
        for name, value in _AS_BEFORE.items():
            _leave_out(cfg, name.split("."), value)
        kept = {name: value for name, value in cfg.items() if name not in _PLACES}
        return json.dumps(kept, sort_keys=True, default=repr)


def _leave_out(values: dict[str, Any], path: Sequence[str], as_before: Any) -> None:
    """Remove an entry that says no more than that all is as before."""
    *parents, name = path
    for parent in parents:
        values = values.get(parent) or {}
    if name in values and values[name] == as_before:
        del values[name]


@cache
def _digest_of_file(path: str, size: int, changed: float) -> str:
    return file_digest(path)


def cells_of(grid: Grid) -> Iterator[Cell]:
    """All cells, seed after seed, so that a grid that is stopped early has a whole first seed."""
    for seed in grid.seeds:
        for data, data_entry in grid.data.items():
            for method, method_entry in grid.methods.items():
                if grid.has(data, method):
                    yield Cell(data, method, seed, data_entry, method_entry)


def finished(
    cell: Cell,
    folder: Path,
    broken: bool = False,
    others: Sequence[Path] = (),
    machine: str | None = None,
) -> dict[str, Any] | None:
    """The cell's result, if it has been run with these inputs.

    Args:
        cell: Which data set, method and seed to run.
        folder: Folder that results are written to.
        broken: Also one that broke down, which the next call tries again.
        others: Folders of other grids' results, looked into where ``folder`` has none that is
            whole: cells of one name and the same inputs are one cell.
        machine: Take from ``others`` only what was run on this machine, from
            :func:`this_machine`: on another one the same seed is another draw. None: on any.

    Raises:
        HCSCError: a file is damaged.
    """
    borrowed = [_saved(cell, place) for place in others]
    if machine is not None:
        borrowed = [one for one in borrowed if one is not None and one.get("machine") == machine]
    found = [one for one in (_saved(cell, folder), *borrowed) if one is not None]
    found = [one for one in found if not _is_of_other_inputs(one, cell)]
    whole = [one for one in found if not one.get("broken")]
    return next(iter(whole + found if broken else whole), None)


def collect(
    grid: Grid, folder: Path, others: Sequence[Path] = ()
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """All results of a grid: data → method → one for each seed that has been run.

    Args:
        grid: Whose cells.
        folder: Folder that results are written to.
        others: See :func:`finished`.

    Raises:
        HCSCError: a file is damaged.
    """
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for cell in cells_of(grid):
        found = finished(cell, folder, broken=True, others=others)
        if found is not None:
            results.setdefault(cell.data, {}).setdefault(cell.method, []).append(found)
    return results


def is_outdated(cell: Cell, folder: Path) -> bool:
    """Whether there is a result, of other inputs: the config, or how it is measured, has changed
    since.
    """
    result = _saved(cell, folder)
    return result is not None and _is_of_other_inputs(result, cell)


def _is_of_other_inputs(result: Mapping[str, Any], cell: Cell) -> bool:
    start = cell.start()  # a table can be made where the weights are not
    return result.get("inputs") != cell.inputs() or start not in (None, result.get("start"))


def _saved(cell: Cell, folder: Path) -> dict[str, Any] | None:
    path = folder / f"{cell.name}.json"
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HCSCError(f"{path} is damaged ({error}); remove it to run the cell again") from None
