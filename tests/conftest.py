import pytest
import torch

import hcsc_mm  # noqa: F401  first: it makes torchvision importable beside a torch of another build


@pytest.fixture(autouse=True)
def seeded():
    """Every test sees the same random numbers, whichever tests ran before it."""
    torch.manual_seed(0)
