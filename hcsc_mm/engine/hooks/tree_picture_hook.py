"""The top of the tree as a picture, after every clustering."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend, LocalVisBackend
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...datasets import ExtractionView
from ...errors import HCSCError
from ...registry import HOOKS
from ...utils.files import written_whole
from ...utils.random_states import host_generators_kept
from ...utils.shard import all_gather_rows, first_row
from ...visualization import ImageRow, draw_image_rows
from ..sees_clusterings import Clustering, SeesClusterings

PICTURE = "hcsc/tree_top"  # its name in TensorBoard and W&B


@HOOKS.register_module()
class TreePictureHook(Hook, SeesClusterings):
    """Show the prototypes of the coarsest level as rows of their nearest training images.

    The picture goes to the visualizer's back ends as ``hcsc/tree_top``, and the newest one lies as
    ``tree_top.jpg`` beside the log. By default it is drawn only where a back end beyond mmengine's
    local files is there to show it, such as TensorBoard or W&B. The training's numbers are the
    same with and without.

    Args:
        rows: Prototypes at most, at least 1; 12 by default. Of more, every ⌈K / rows⌉-th by size
            is taken, from the most to the least populous.
        columns: Images of each, the nearest by cosine first, at least 1; 8 by default.
        tile: Pixels per side of an image, at least 8; 56 by default.
        interval: Clusterings from one picture to the next, at least 1; 1 by default, the first.
        seconds: Images that are not loaded after so many seconds stay grey; above 0, 10 by default.
        always: Draw it for the local files alone, too. Off by default.

    Raises:
        HCSCError: a number is out of its range.
    """

    priority = "LOW"

    def __init__(
        self,
        rows: int = 12,
        columns: int = 8,
        tile: int = 56,
        interval: int = 1,
        seconds: float = 10.0,
        always: bool = False,
    ) -> None:
        least = {"rows": 1, "columns": 1, "tile": 8, "interval": 1}
        given = {"rows": rows, "columns": columns, "tile": tile, "interval": interval}
        for name, value in given.items():
            if value < least[name]:
                raise HCSCError(f"{name}={value} of TreePictureHook must be at least {least[name]}")
        if seconds <= 0:
            raise HCSCError(f"seconds={seconds} of TreePictureHook must be above 0")
        self.rows, self.columns, self.tile = rows, columns, tile
        self.interval = interval
        self.seconds = seconds
        self.always = always
        self._seen = 0  # clusterings of this run

    def see_clustering(self, runner: Runner, clustering: Clustering) -> None:
        self._seen += 1
        shown = self.always or _shows(runner)
        if not shown or (self._seen - 1) % self.interval:
            return
        sizes = clustering.hierarchy.sizes()[-1]
        order = sizes.sort(descending=True, stable=True).indices.tolist()
        chosen = order[:: -(-len(order) // self.rows)]
        prototypes = clustering.hierarchy.prototypes[-1][chosen]
        nearest = _nearest(clustering.features, prototypes, self.columns)  # of all ranks
        if not is_main_process():
            return
        with host_generators_kept():
            tiles = self._load(clustering.images, nearest)
        rows = [
            ImageRow(f"{int(sizes[prototype])} images", images)
            for prototype, images in zip(chosen, tiles, strict=True)
        ]
        level = len(clustering.hierarchy.num_prototypes) - 1
        title = f"level {level}: {len(order)} prototypes" + (
            "" if len(chosen) == len(order) else f", {len(chosen)} shown"
        )
        picture = draw_image_rows(f"{title}; step {runner.iter}", rows, tile=self.tile)
        _show(runner, picture)

    def _load(self, images: ExtractionView, nearest: Tensor) -> list[list[NDArray | None]]:
        """The pixels of (rows, columns) images, until the time is up: the nearest of every row
        first.
        """
        deadline = time.monotonic() + self.seconds
        rows: list[list[NDArray | None]] = [[] for _ in nearest]
        for column in nearest.T.tolist():
            for row, index in zip(rows, column, strict=True):
                in_time = time.monotonic() < deadline
                row.append(_pixels(images, index) if in_time and index >= 0 else None)
        return rows


def _shows(runner: Runner) -> list[BaseVisBackend]:
    """The visualizer's back ends that are more than mmengine's local files, which take no name with
    a slash, and for which the file beside the log is enough.
    """
    ends = runner.visualizer._vis_backends.values()  # mmengine tells them by name only
    return [end for end in ends if not isinstance(end, LocalVisBackend)]


def _nearest(features: Tensor, prototypes: Tensor, columns: int) -> Tensor:
    """Numbers of the images nearest to each prototype, over all ranks.

    Args:
        features: (n, D) of this rank's shard, NaN for unreadable images.
        prototypes: (rows, D).
        columns: Images per prototype at most.

    Returns:
        (rows, columns) int64, the nearest first; −1 where there are fewer readable images.
    """
    first = first_row(features)
    similarity = prototypes.to(features) @ features.T  # (rows, n)
    similarity = torch.nan_to_num(similarity, nan=-torch.inf)
    found = similarity.topk(min(columns, len(features)), dim=1)
    # one line per candidate, so that ranks with fewer images than columns can be gathered
    values = all_gather_rows(found.values.T.contiguous())  # (candidates, rows)
    numbers = all_gather_rows((found.indices + first).T.contiguous())
    best = values.topk(min(columns, len(values)), dim=0)
    chosen = numbers.gather(0, best.indices)
    return chosen.masked_fill(torch.isneginf(best.values), -1).T.cpu()


def _pixels(images: ExtractionView, index: int) -> NDArray | None:
    """(H, W, 3) uint8 RGB of an image as the extraction sees it; None for an unreadable one."""
    sample = images[index]
    if sample["data_samples"].get("unreadable"):
        return None
    image = sample["inputs"]  # (C, H, W), BGR if there are three
    image = image.flip(0) if len(image) == 3 else image[:1].expand(3, -1, -1)
    if image.dtype != torch.uint8:  # of deeper images: from their darkest to their brightest value
        image = image.float()
        low, high = image.min(), image.max()
        image = (255 * (image - low) / (high - low).clamp(min=1e-12)).round().byte()
    return image.permute(1, 2, 0).contiguous().numpy()


def _show(runner: Runner, picture: Image.Image) -> None:
    with written_whole(Path(runner.log_dir) / "tree_top.jpg") as aside:
        picture.save(aside, format="JPEG", quality=90)
    for end in _shows(runner):
        end.add_image(PICTURE, np.asarray(picture), step=runner.iter)
