"""Where the recorded cases and real images lie; they are not part of the project."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

SHARED = Path(os.environ.get("HCSC_SHARED", Path(__file__).resolve().parents[2] / "shared"))

needs_golden = pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason=f"no recorded cases in {SHARED}/golden")
needs_grocery = pytest.mark.skipif(
    not (SHARED / "data/grocery/grocery_short128.tar").is_file(), reason=f"no Grocery photographs in {SHARED}/data"
)


def golden(name: str) -> dict[str, torch.Tensor]:
    """A recorded case as tensors."""
    with np.load(SHARED / "golden" / f"{name}.npz") as case:
        return {key: torch.from_numpy(np.asarray(case[key])) for key in case.files}
