"""Augmentations differ from epoch to epoch and come back with the seed."""

import random

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from hcsc_mm.datasets import seed_worker


class Dice(Dataset):
    """What the three generators that augmentations use would throw for each sample."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor(
            [random.random(), np.random.rand(), torch.rand(()).item()], dtype=torch.float64
        )


def epochs(seed, number=2):
    torch.manual_seed(seed)
    loader = DataLoader(Dice(), batch_size=2, num_workers=2, worker_init_fn=seed_worker)
    return [torch.cat(list(loader)) for _ in range(number)]


def test_epochs_and_workers_throw_different_dice():
    throws = torch.cat(epochs(0))  # (2 epochs × 8 samples, 3 generators)
    for generator in throws.T:
        assert generator.unique().numel() == len(throws)


def test_the_same_seed_of_the_main_process_throws_the_same_dice_and_another_other_ones():
    one, again, other = torch.cat(epochs(0)), torch.cat(epochs(0)), torch.cat(epochs(1))
    assert torch.equal(one, again)
    assert not bool((one == other).any())
