"""Sizes of images in pipelines of transforms, read and changed as configs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Transforms that decide about the size of an image → the argument that says it.
_SIZES = {
    "CenterCrop": "crop_size",
    "EfficientNetCenterCrop": "crop_size",
    "EfficientNetRandomCrop": "scale",
    "RandomCrop": "crop_size",
    "RandomResizedCrop": "scale",
    "Resize": "scale",
    "ResizeEdge": "scale",
}
_TORCHVISION = "torchvision/"  # whose transforms take PIL's images
_EVALUATION = ("test_dataloader", "val_dataloader", "test_cfg", "val_cfg")


@dataclass(frozen=True)
class Views:
    """How a pre-training shows its images.

    Attributes:
        side: Side of a square training view, the first one, in pixels; None where that cannot be
            said.
        whole: The transforms that bring a whole image to size, for the clustering; empty without
            a clustering, or where nothing changes the size.
    """

    side: int | None
    whole: tuple[Mapping[str, Any], ...]


def views_of(pretraining: Mapping[str, Any], clustering: Sequence[Mapping[str, Any]]) -> Views:
    """The views of a pre-training config.

    Args:
        pretraining: Config of the pre-training.
        clustering: Its pipeline of whole images; empty if there is none.
    """
    device_views = (pretraining["model"].get("data_preprocessor") or {}).get("views")
    if device_views:
        side = _side(device_views[0].get("size"))
    else:
        pipelines = list(pipelines_of(pretraining.get("train_dataloader")))
        side = side_of(_first_view(pipelines[0])) if pipelines else None
    return Views(side, tuple(_sizing(clustering)))


def pipelines_of(config: Any) -> Iterator[list]:
    """Every ``pipeline`` at any depth."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if key == "pipeline" and isinstance(value, list):
                yield value
            else:
                yield from pipelines_of(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from pipelines_of(value)


def evaluation_pipelines(cfg: Mapping[str, Any]) -> Iterator[list]:
    """Those that prepare images to be judged, or judged by."""
    for name in _EVALUATION:
        yield from pipelines_of(cfg.get(name))


def side_of(pipeline: Sequence[Mapping[str, Any]]) -> int | None:
    """Side of the square that comes out of a pipeline, in pixels; None if none is sure to."""
    steps = _sizing(pipeline)
    if not steps or _is_open(steps[-1]):
        return None
    return _side(_size(steps[-1]))


def describe(pipeline: Sequence[Mapping[str, Any]]) -> str:
    """'ResizeEdge 256, CenterCrop 224'; empty where nothing changes the size."""
    words = [f"{_plain(_name(step))} {_size(step)}" for step in _sizing(pipeline)]
    return ", ".join(words)


def show_as(pipeline: list, views: Views) -> None:
    """Let a pipeline bring whole images to size as a pre-training does; changed in place.

    The same transforms keep what else they are told, such as the interpolation; others make place
    for those of the pre-training. Where it has none, or of a kind that cannot stand in their place,
    sizes follow :func:`scale_to`.
    """
    steps = _sizing(pipeline)
    if [_name(step) for step in steps] == [_name(step) for step in views.whole]:
        for step, other in zip(steps, views.whole, strict=True):
            step[_argument(step)] = _size(other)
        return
    places = [place for place, step in enumerate(pipeline) if _is_sizing(step)]
    neighbours = bool(places) and places[-1] - places[0] + 1 == len(places)
    plain = not any(_name(step).startswith(_TORCHVISION) for step in (*steps, *views.whole))
    if views.whole and neighbours and plain:
        kind = type(steps[0])
        new = [kind(copy.deepcopy(dict(step))) for step in views.whole]
        pipeline[places[0] : places[-1] + 1] = new
    elif (side := side_of(views.whole) or views.side) is not None:
        scale_to(pipeline, side)


def scale_to(pipeline: list, side: int) -> None:
    """Give the square that comes out of a pipeline another side; changed in place.

    Sizes before it, such as that of the image from which it is cut, change in proportion.
    """
    now = side_of(pipeline)
    if now is None or now == side:
        return
    for step in _sizing(pipeline):
        size = _size(step)
        if isinstance(size, (list, tuple)):
            step[_argument(step)] = type(size)(round(one * side / now) for one in size)
        elif size is not None:
            step[_argument(step)] = round(size * side / now)


def _first_view(pipeline: Sequence[Mapping[str, Any]]) -> list:
    """With the transforms of the first view in the place of those of all views."""
    flat: list = []
    for step in pipeline:
        if _name(step) == "MultiView":
            transforms = step.get("transforms") or []
            first = transforms[0] if transforms else []
            flat.extend(_first_view(first if isinstance(first, (list, tuple)) else [first]))
        else:
            flat.append(step)
    return flat


def _sizing(pipeline: Sequence[Mapping[str, Any]]) -> list:
    return [step for step in pipeline if _is_sizing(step)]


def _is_sizing(step: Any) -> bool:
    return isinstance(step, Mapping) and _plain(_name(step)) in _SIZES


def _name(step: Mapping[str, Any]) -> str:
    """Of a transform without the scope of its registry: 'Resize', 'torchvision/Resize'."""
    kind = step.get("type")
    kind = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return kind.rpartition(".")[2]


def _plain(name: str) -> str:
    return name.removeprefix(_TORCHVISION)


def _is_open(step: Mapping[str, Any]) -> bool:
    """Whether it leaves one side to the image."""
    name = _name(step)
    if _plain(name) != "Resize":
        return name == "ResizeEdge"
    return bool(step.get("keep_ratio")) or (name != "Resize" and isinstance(_size(step), int))


def _argument(step: Mapping[str, Any]) -> str:
    name = _name(step)
    return "size" if name.startswith(_TORCHVISION) else _SIZES[name]


def _size(step: Mapping[str, Any]) -> Any:
    return step.get(_argument(step))


def _side(size: Any) -> int | None:
    """Of a size that is square; None for others."""
    if isinstance(size, (list, tuple)) and len(set(size)) == 1:
        size = size[0]
    return size if isinstance(size, int) and not isinstance(size, bool) else None
