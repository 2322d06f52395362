"""Every row exactly once, or an error that names it."""

import pytest
import torch
from distributed_workers import Pictures, encode
from mmengine.dataset import default_collate
from torch.utils.data import DataLoader

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import extract_features


@pytest.fixture
def pictures():
    return Pictures(10)


def extract(dataset, batches, num_samples=10, encode=encode):
    return extract_features(
        encode, DataLoader(dataset, batch_sampler=batches, collate_fn=default_collate), num_samples
    )


@pytest.mark.parametrize(
    "batches",
    [
        [list(range(10))],
        [[9, 0], [3], [1, 2, 4], [8, 7, 6, 5]],
        [[index] for index in reversed(range(10))],
    ],
    ids=["one_batch", "mixed", "reversed"],
)
def test_rows_lie_where_their_sample_idx_says_whatever_the_order(pictures, batches):
    features = extract(pictures, batches)
    assert torch.equal(features, encode(pictures.images))
    assert features.dtype == torch.float32


class Flickering(Pictures):
    """Pictures that are others the second time they are read."""

    def __init__(self, number):
        super().__init__(number)
        self.seen = set()

    def __getitem__(self, index):
        item = super().__getitem__(index)
        if index in self.seen:
            item["inputs"] = item["inputs"] + 100
        self.seen.add(index)
        return item


@pytest.mark.parametrize(
    "batches",
    [[[*range(10), 0, 1]], [[*range(6)], [*range(4, 10)], [0, 9]], [[3, 3, 3], [*range(10)]]],
    ids=["in_batch", "across", "both"],
)
def test_of_a_row_that_comes_twice_the_first_counts(pictures, batches):
    assert torch.equal(extract(Flickering(10), batches), encode(pictures.images))


def test_missing_rows_are_named(pictures):
    with pytest.raises(
        HCSCError, match=r"2 of 10 rows were never delivered, the first ones are \[3, 9\]"
    ):
        extract(pictures, [[0, 1, 2], [4, 5, 6, 7, 8]])


def test_a_row_beyond_the_images_is_named(pictures):
    with pytest.raises(HCSCError, match=r"row 8 lies outside .*\[0, 8\).*ShardSampler"):
        extract(pictures, [list(range(10))], num_samples=8)


@pytest.mark.parametrize("batches", [[[0, 1, 2]], []], ids=["some", "none"])
def test_rows_that_never_come_are_an_error_however_many(pictures, batches):
    with pytest.raises(HCSCError, match="never delivered"):
        extract(pictures, batches)


def test_a_loader_without_any_image_is_an_error():
    with pytest.raises(HCSCError, match="no batch"):
        extract(Pictures(0), [], num_samples=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_name_the_sample_s_path(pictures, value):
    pictures.images[6] = value
    with pytest.raises(
        HCSCError,
        match=r"1 features are NaN or infinite, the first is of sample 6 \(folder/6\.jpg\)",
    ):
        extract(pictures, [[*range(5)], [*range(5, 10)]])


class WithUnreadable(Pictures):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        item["data_samples"].set_field(index in (2, 7), "unreadable", field_type="metainfo")
        return item


def test_rows_of_skipped_images_are_nan_and_no_error():
    features = extract(WithUnreadable(10), [[*range(5)], [*range(5, 10)]])
    assert torch.isnan(features).all(dim=1).nonzero().squeeze(1).tolist() == [2, 7]
    others = [0, 1, 3, 4, 5, 6, 8, 9]
    assert torch.equal(features[others], encode(Pictures(10).images)[others])


def test_half_features_come_back_in_float32(pictures):
    features = extract(pictures, [list(range(10))], encode=lambda images: encode(images).half())
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, encode(pictures.images), atol=1e-2, rtol=1e-2)


def test_no_gradient_is_recorded(pictures):
    weight = torch.ones(5, requires_grad=True)
    assert not extract(
        pictures, [list(range(10))], encode=lambda images: encode(images) * weight
    ).requires_grad
