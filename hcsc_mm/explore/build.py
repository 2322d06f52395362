"""From images and weights to a tree folder, step by step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_rank
from mmengine.logging import print_log
from numpy.typing import NDArray

from ..clustering import default_seeding
from ..errors import HCSCError
from ..structures import PrototypeHierarchy
from ..structures.checkpoint_entry import weights_digest
from ..utils.files import written_whole
from ..utils.ranks import wait_for_ranks
from .columns import Columns, place_all
from .embedding import Embeddings, embed_images, open_embeddings, take_embeddings
from .growing import CLUSTERED, TRAINED, grow, origin_of_tree
from .layout import lay_out
from .neighbours import EXHAUSTIVE, Neighbours, find_neighbours
from .page import remove_page
from .results import Results, write_results
from .sources import Sources
from .steps import Steps
from .whole_files import full_disk_is_said

_WORK = ".build"


@dataclass(frozen=True)
class BuildOptions:
    """How a tree is built.

    Attributes:
        num_prototypes: K per level, the finest first; None: the weights' own tree, or numbers that
            suit the number of images.
        dtype: Type of the embeddings in the table, 'float16' or 'float32'.
        npy: Write embeddings.npy, too.
        batch_size: Images at a time.
        num_workers: Loader processes, per process.
        unreadable: 'list' images that cannot be read in the table, or 'stop' at the first.
        seed: Seeds a new clustering.
        seeding: What a new clustering begins with, see :func:`kmeans`; it makes a new tree. None:
            the weights' own tree, or by the number of images, see :func:`default_seeding`.
        redo: Build anew in a folder that holds a tree of other inputs.
        keep: Keep what the steps have left: with other options the build then goes on from there.
        exhaustive: Up to so many images all are compared with all, see :func:`search`.
    """

    num_prototypes: Sequence[int] | None = None
    dtype: str = "float16"
    npy: bool = False
    batch_size: int = 64
    num_workers: int = 2
    unreadable: str = "list"
    seed: int = 0
    seeding: str | None = None
    redo: bool = False
    keep: bool = False
    exhaustive: int = EXHAUSTIVE


def build_tree(sources: Sources, out: Path, options: BuildOptions) -> bool:
    """Build a tree folder, or go on with one; called by all processes.

    Each step leaves whole files in ``out/.build``, which are removed at the end. Processes but the
    first help to embed and to cluster, and return then.

    Args:
        sources: What it is made of.
        out: The folder; it is made.
        options: How to build, see :class:`BuildOptions`.

    Returns:
        Whether anything was left to do.

    Raises:
        HCSCError: the folder holds a tree of other inputs, the disk is full, or see the steps.
    """
    build = _Build(sources, out, options)
    if build.finished.to_do() == []:
        return False
    with full_disk_is_said(out, "the same command goes on"):
        _run(build)
    return True


def _run(build: _Build) -> None:
    to_do = build.steps.to_do()
    wait_for_ranks("looking into the folder")  # before anybody writes
    actions = {
        "embeddings": build.embed,
        "tree": build.grow,
        "places": build.place,
        "neighbours": build.find_neighbours,
        "layout": build.lay_out,
        "files": build.write,
    }
    alone = get_rank() == 0
    for name, action in actions.items():
        together = name in ("embeddings", "tree")
        if name not in to_do or not (alone or together):
            continue
        if alone:
            build.finished.unmark("finished")
            build.steps.unmark(name)
        action()
        if alone:
            build.steps.mark(name)
    if alone:
        build.finish()


class _Build:
    """The steps; each reads what the ones before it have left in the folder."""

    def __init__(self, sources: Sources, out: Path, options: BuildOptions) -> None:
        self.sources, self.out, self.options = sources, out, options
        self.work = out / _WORK
        embedder = sources.embedder
        new = options.num_prototypes is not None or options.seeding is not None
        self.origin = origin_of_tree(embedder, sources.images, new)
        # Of all images: those that cannot be read are known only once all were tried.
        self.seeding = options.seeding or default_seeding(len(sources))
        own = embedder.hierarchy if embedder else None
        tree = {
            "numbers of prototypes": options.num_prototypes,
            "seed": options.seed,
            "the weights' tree": "" if own is None else _digest_of_tree(own),
            "origin": self.origin,
            "seeding": self.seeding if self.origin == CLUSTERED else None,
        }
        inputs = {**sources.facts(), "unreadable images": options.unreadable}
        files = {"type": options.dtype, "npy": options.npy}
        steps = [
            ("embeddings", inputs),
            ("tree", tree),
            ("places", {}),
            ("neighbours", {"exhaustive": options.exhaustive}),
            ("layout", {}),
            ("files", files),
        ]
        self.steps = Steps(self.work, steps)
        # A folder that is finished has no work left in it, only this.
        self.finished = Steps(self.work, [("finished", {**inputs, **tree, **files})])
        self._refuse_other_inputs(inputs)

    def _refuse_other_inputs(self, inputs: dict[str, Any]) -> None:
        for step, name in ((self.finished, "finished"), (self.steps, "embeddings")):
            changed = [key for key in step.changed(name) or [] if key in inputs]
            if changed and not self.options.redo:
                raise HCSCError(
                    f"{self.out} holds a tree of other inputs ({', '.join(changed)} changed); give "
                    "another --out, or --redo to replace it"
                )

    def embed(self) -> None:
        folder, options = self.work / "embeddings", self.options
        if get_rank() == 0 and self.steps.changed("embeddings"):
            shutil.rmtree(folder, ignore_errors=True)
        wait_for_ranks("clearing the folder")
        if self.sources.given is None:
            embed_images(
                self.sources.embedder,
                self.sources.images,
                folder,
                batch_size=options.batch_size,
                num_workers=options.num_workers,
                unreadable=options.unreadable,
            )
            return
        if get_rank() == 0:
            take_embeddings(self.sources.given, folder)
        wait_for_ranks("taking embeddings")

    def grow(self) -> None:
        options = self.options
        hierarchy = grow(
            self.sources.embedder,
            self.origin,
            self.embeddings(),
            options.num_prototypes,
            options.seed,
            self.seeding,
        )
        if get_rank() == 0:
            hierarchy.to("cpu").save(self.work / "tree.pt")

    def place(self) -> None:
        columns = place_all(self.hierarchy(), self.embeddings().embedding)
        _save(self.work / "places.npz", columns)
        if self.origin == TRAINED and columns.agreement < 1:
            why = "the weights may have changed since it was made"
            if self.sources.embedder.fits:  # they have not
                why = "it was made of these weights, but embeddings differ (as by --amp)"
            print_log(
                f"the trained tree puts {columns.agreement:.1%} of the images to their nearest "
                f"prototype: {why}",
                "current",
                level=30,
            )

    def find_neighbours(self) -> None:
        embeddings, columns = self.embeddings(), self.columns()
        found = find_neighbours(
            embeddings.embedding,
            columns.prototypes[0],
            self.hierarchy().prototypes[0].numpy(),
            embeddings.signature,
            self.work,
            self.options.exhaustive,
        )
        _save(self.work / "neighbours.npz", found)

    def lay_out(self) -> None:
        path = self.columns().prototypes
        positions = lay_out(self.hierarchy(), path, self.embeddings().embedding)
        with written_whole(self.work / "layout.npy") as aside, open(aside, "wb") as file:
            np.save(file, positions)

    def write(self) -> None:
        results = Results(
            self.sources,
            self.origin,
            self.embeddings(),
            self.hierarchy(),
            self.columns(),
            Neighbours(*_load(self.work / "neighbours.npz", Neighbours._fields)),
            np.load(self.work / "layout.npy"),
        )
        remove_page(self.out)  # of the tree that was here
        write_results(self.out, results, dtype=self.options.dtype, npy=self.options.npy)

    def finish(self) -> None:
        if not self.options.keep:
            shutil.rmtree(self.work)
        self.finished.mark("finished")

    def embeddings(self) -> Embeddings:
        return open_embeddings(self.work / "embeddings")

    def hierarchy(self) -> PrototypeHierarchy:
        return PrototypeHierarchy.load(self.work / "tree.pt")

    def columns(self) -> Columns:
        return Columns(*_load(self.work / "places.npz", Columns._fields))


def _digest_of_tree(tree: PrototypeHierarchy) -> str:
    state = tree.state_dict()
    lists = {
        f"{name}{level}": tensor
        for name, tensors in state.items()
        if isinstance(tensors, list)
        for level, tensor in enumerate(tensors)
    }
    return weights_digest({"assignment": state["assignment"], **lists})["sha256"]


def _save(path: Path, arrays: Columns | Neighbours) -> None:
    with written_whole(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays._asdict())


def _load(path: Path, names: Sequence[str]) -> Iterator[NDArray]:
    with np.load(path, allow_pickle=False) as found:
        return iter([found[name] for name in names])
