"""What the base of all methods refuses to be trained on, and what it warns of."""

import pytest
import torch
from cases import tiny_moco
from mmpretrain.structures import DataSample
from torch import nn

from hcsc_mm import HCSCError
from hcsc_mm.models import SplitBatchNorm2d

SAMPLES = [DataSample(metainfo={"sample_idx": index}) for index in range(4)]


def test_symmetric_loss_takes_two_views():
    with pytest.raises(HCSCError, match=r"trains on two views, and the pipeline gives 3"):
        tiny_moco(symmetric=True).loss([torch.randn(4, 3, 6, 6)] * 3, SAMPLES)


@pytest.mark.parametrize(
    ("symmetric", "batch", "message"),
    [
        (False, 33, "total batch 33 × 1 = 33 exceeds the queue length 32"),
        (True, 17, "total batch 17 × 1 = 17, twice with symmetric=True, exceeds .* at least 34"),
    ],
)
def test_a_step_that_does_not_fit_into_the_queue_is_refused_before_it(symmetric, batch, message):
    with pytest.raises(HCSCError, match=message):
        tiny_moco(symmetric=symmetric).check_training(1000, batch)


@pytest.mark.parametrize(("num_images", "warned"), [(100, False), (41, False), (40, True)])
def test_a_queue_as_long_as_an_epoch_is_warned_of(num_images, warned):
    warnings = tiny_moco().check_training(num_images, 8)
    assert any("queue of 32 keys" in warning for warning in warnings) == warned
    assert len(warnings) == warned


@pytest.mark.parametrize(
    ("norm", "warned"),
    [(None, False), (nn.BatchNorm2d(4), True), (SplitBatchNorm2d(4, 2), False)],
    ids=["none", "shared", "split"],
)
def test_statistics_that_query_and_key_share_on_one_process_are_warned_of(norm, warned):
    warnings = tiny_moco(norm).check_training(1000, 8)
    assert any("share their batch-norm statistics" in warning for warning in warnings) == warned
