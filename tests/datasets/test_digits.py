"""The digits that need no download."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hcsc_mm import HCSCError
from hcsc_mm.datasets import Digits


def pixels(dataset):
    return np.stack([dataset.get_data_info(index)["img"] for index in range(len(dataset))])


def test_splits_have_their_sizes():
    assert [len(Digits(split)) for split in ("train", "test", "all")] == [1437, 360, 1797]


def test_pixels_and_labels_are_scikit_learn_s():
    images, labels = load_digits(return_X_y=True)
    dataset = Digits("all")
    found = pixels(dataset)
    assert found.dtype == np.uint8
    for channel in range(3):
        np.testing.assert_array_equal(
            found[..., channel], np.rint(images.reshape(-1, 8, 8) * 255 / 16)
        )
    assert dataset.get_gt_labels().tolist() == labels.tolist()


def test_every_fifth_scan_is_held_out_and_all_others_are_trained_on():
    everything = pixels(Digits("all"))
    held_out = pixels(Digits("test"))
    (offset,) = [offset for offset in range(5) if np.array_equal(everything[offset::5], held_out)]
    np.testing.assert_array_equal(
        pixels(Digits("train")), np.delete(everything, np.s_[offset::5], axis=0)
    )


def test_training_is_the_default_and_sample_idx_is_the_position():
    dataset = Digits()
    assert dataset.split == "train"
    assert [dataset.get_data_info(index)["sample_idx"] for index in (0, 5, 1400)] == [0, 5, 1400]


def test_there_are_ten_classes():
    assert tuple("0123456789") == Digits("test").CLASSES


def test_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(HCSCError, match="split='val' is unknown; choose 'train', 'test' or 'all'"):
        Digits("val")
