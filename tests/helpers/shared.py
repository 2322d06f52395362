"""Where the recorded cases and real images lie; they are not part of the project."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SHARED = Path(os.environ.get("HCSC_SHARED", Path(__file__).resolve().parents[3] / "shared"))

needs_golden = pytest.mark.skipif(
    not (SHARED / "golden").is_dir(), reason=f"no recorded cases in {SHARED}/golden"
)
needs_grocery = pytest.mark.skipif(
    not (SHARED / "data/grocery/grocery_short128.tar").is_file(),
    reason=f"no Grocery photographs in {SHARED}/data",
)

needs_coco = pytest.mark.skipif(
    not (SHARED / "data/coco_tiny/coco_tiny.tar").is_file(),
    reason=f"no COCO photographs in {SHARED}/data",
)


def unpack(
    archive: tarfile.TarFile, folder: Path, members: list[tarfile.TarInfo] | None = None
) -> None:
    """All of an archive, or some of its members; the first releases of Python 3.10 and 3.11 know no
    filters.
    """
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    archive.extractall(folder, members, **safely)


def coco_photographs(number: int) -> list[Image.Image]:
    """The first colour photographs of the archive."""
    with tarfile.open(SHARED / "data/coco_tiny/coco_tiny.tar") as archive:
        names = sorted(name for name in archive.getnames() if name.endswith(".jpg"))
        return [Image.open(archive.extractfile(name)).convert("RGB") for name in names[:number]]


def golden(name: str) -> dict[str, torch.Tensor]:
    """A recorded case as tensors."""
    with np.load(SHARED / "golden" / f"{name}.npz") as case:
        return {key: torch.from_numpy(np.asarray(case[key])) for key in case.files}
