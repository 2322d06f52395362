"""From a checkpoint of one layout to one of another, verified before it gets its name."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import HCSCError
from ..utils.files import WholeFiles
from .contents import Contents, sort_weights
from .files import encode, read_checkpoint
from .heads import heads_in_config
from .roots import plain_name
from .targets import TARGETS, Model, Target, select
from .verify import Verification, verify


@dataclass(frozen=True)
class Report:
    """What a conversion found, wrote and left out.

    Attributes:
        source, target: Paths of the file to read and of the file to write.
        target_layout: What was written.
        encoder: Which of the source's became the backbone.
        contents: The source, sorted.
        model: What was taken from it.
        unused: Groups of names in the source that are not in the target, each in words.
        verification: How the target compares.
    """

    source: Path
    target: Path
    target_layout: str
    encoder: str
    contents: Contents
    model: Model
    unused: list[str]
    verification: Verification

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"read      {self.source}: layout {self.contents.layout}{self._where()}, "
            f"{self.model.shape}, "
            f"{self.encoder} encoder",
            f"written   {self.target}: layout {self.target_layout}, "
            f"{self.verification.num_tensors} tensors{self._details()}",
            *(
                f"not used  {group}"
                for group in self.unused or ["nothing: all of the file was used"]
            ),
            f"verified  {self._verdict()}",
        ]

    def _where(self) -> str:
        return f" under {self.contents.prefix}" if self.contents.prefix else ""

    def _details(self) -> str:
        if self.target_layout != "hcsc_mm":
            return ""
        model, details = self.model, ["backbone"]
        if model.projection:
            matrices = list(model.projection.values())[::2]
            details.append(
                "projection "
                + "-".join(
                    str(size)
                    for size in (matrices[0].shape[1], *(matrix.shape[0] for matrix in matrices))
                )
            )
        if model.key[0]:
            details.append("key encoder")
        if model.queue:
            length, dim = model.queue["keys"].shape
            details.append(f"queue of {length} × {dim} (model.queue_len={length})")
        return ": " + ", ".join(details)

    def _verdict(self) -> str:
        result, tensors = (
            self.verification,
            f"{self.verification.num_tensors} tensors read back equal",
        )
        if result.features is None:
            return f"by tensors only, not by {self.target_layout}: {result.obstacle}; {tensors}"
        return (
            f"by {self.target_layout}: largest difference of a feature "
            f"{result.features.difference:.2g} (allowed {result.features.allowed:.2g}; the largest "
            f"feature is {result.features.largest:.3g}); {tensors}"
        )


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    to: str,
    *,
    layout: str | None = None,
    prefix: str | None = None,
    encoder: str = "query",
    image: str | None = None,
    force: bool = False,
    num_heads: int | None = None,
) -> Report:
    """Convert a checkpoint.

    Args:
        source: File to read, of any layout in :data:`~hcsc_mm.weights.layouts.LAYOUTS`.
        target: File to write. It appears whole and verified, or not at all.
        to: Key of :data:`TARGETS`.
        layout: The source's layout; None detects it.
        prefix: What the names of the weights begin with in the source, such as 'model.net'; None
            finds it.
        encoder: 'query' or 'key': which becomes the backbone.
        image: Image to compare features of; a bundled photograph by default.
        force: Replace a target that exists.
        num_heads: Heads of a ViT's attention, which its weights do not tell; None takes them from
            the config that the file carries, or else one for every 64 channels, as published ViTs
            have.

    Raises:
        HCSCError: see the functions that it calls; also for a target that exists, or whose ending
            or folder does not fit.
    """
    source, target, kind = Path(source), Path(target), TARGETS[to]
    _check_target(source, target, kind, force)
    checkpoint = read_checkpoint(source)
    try:
        contents = sort_weights(checkpoint.weights, layout, prefix)
        if num_heads is None:
            num_heads = heads_in_config(checkpoint.config, str(source))
        model = select(contents, encoder, kind, num_heads)
        if to not in model.shape.targets:
            able = [name for name in TARGETS if name in model.shape.targets]
            raise HCSCError(
                f"it is a {model.shape}, which {to} has no counterpart of; --to "
                f"{', --to '.join(able[:-1])} and --to {able[-1]} can hold it"
            )
        model.shape.config()  # a ViT's says whether it lacks a number of heads
    except HCSCError as error:
        raise HCSCError(f"cannot convert {source}: {error}") from None
    unused = describe_unused(contents, model, kind, encoder, checkpoint.extras)
    result = _write_verified(target, encode(kind.content(model), target.suffix), to, model, image)
    return Report(source, target, to, encoder, contents, model, unused, result)


def _check_target(source: Path, target: Path, kind: Target, force: bool) -> None:
    if target.suffix not in kind.endings:
        raise HCSCError(
            f"{target} has the wrong ending for {kind.layout}; it must be "
            f"{' or '.join(kind.endings)}"
        )
    if target.is_dir():
        raise HCSCError(f"{target} is a folder; give the name of a file")
    if not target.exists():
        return
    if source.exists() and source.samefile(target):
        raise HCSCError(f"source and target are the same file, {target}; give another target")
    if not force:
        raise HCSCError(f"{target} exists; give another name, or --force to replace it")


def _write_verified(
    target: Path, content: bytes, layout: str, model: Model, image: str | None
) -> Verification:
    """Write beside the target, verify, and only then give the file its name."""
    folder = target.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=folder) as aside:
            written = Path(aside) / target.name  # libraries go by the ending
            WholeFiles().put(content, written)
            result = verify(written, layout, model, image)
            os.replace(written, target)
    except OSError as error:
        raise HCSCError(
            f"cannot write {target} ({error.strerror or error}); choose a folder with room that "
            "you may write to"
        ) from None
    return result


def describe_unused(
    contents: Contents, model: Model, kind: Target, encoder: str, extras: Iterable[str]
) -> list[str]:
    """Groups of names in the file that a target does not take, each with its number of tensors."""
    wanted = kind.parts_of(encoder)
    used = wanted if model.projection else wanted - {"query.projection", "key.projection"}
    groups = {}
    for part, names in contents.origins.items():
        if part not in used:
            no_room = (
                part.endswith("projection")
                and f"{encoder}.projection" in wanted
                and not model.projection
            )
            what = part.replace(".", " encoder's ") + (
                ", which has more than linear layers and ReLU, and is not converted"
                if no_room
                else ""
            )
            groups.setdefault(what, []).extend(names)
    for name in contents.rest:
        groups.setdefault(plain_name(name).split(".")[0], []).append(name)
    lines = [
        f"{what}: {len(names)} tensor{'s' if len(names) > 1 else ''} ({_pattern(names)})"
        for what, names in groups.items()
    ]
    extras = list(extras)
    return lines + ([f"other entries of the file: {', '.join(extras)}"] if extras else [])


def _pattern(names: list[str]) -> str:
    """The names, or the first words that all of them have in common."""
    if len(names) <= 2:
        return ", ".join(names)
    common = itertools.takewhile(
        lambda words: len(set(words)) == 1, zip(*(name.split(".") for name in names), strict=False)
    )
    return ".".join([*(words[0] for words in common), "*"])
