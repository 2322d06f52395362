"""Arguments of constructors, through ``**kwargs``."""

from dataclasses import dataclass, field

import pytest
from mmengine.hooks import CheckpointHook
from mmpretrain.datasets import CIFAR10
from torch import nn

from hcsc_mm.models import DeviceAugmentation
from hcsc_mm.runtime import ResumableCheckpointHook
from hcsc_mm.runtime.configs.signatures import arguments_of, fields_of


class Base:
    def __init__(self, size: int, rate: "float" = 0.1) -> None:
        self.size, self.rate = size, rate


class HandsOn(Base):
    def __init__(self, name: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.name = name


class Reads(Base):
    def __init__(self, **options) -> None:
        if "loud" in options and options.pop("loud"):
            options.setdefault("rate", options["speed"])
        super().__init__(**options)


class Keeps(Base):
    def __init__(self, **kwargs) -> None:
        super().__init__(1)
        self.kwargs = kwargs


class Silent(HandsOn):
    pass


@pytest.mark.parametrize(
    ("target", "names", "closed"),
    [
        (Base, {"size", "rate"}, True),
        (HandsOn, {"name", "size", "rate"}, True),
        (Silent, {"name", "size", "rate"}, True),
        (Reads, {"loud", "rate", "speed", "size"}, True),
        (Keeps, set(), False),
        (nn.BatchNorm2d, {"num_features", "eps", "momentum", "affine", "device"}, True),
    ],
)
def test_arguments_are_followed_as_far_as_they_are_handed_on(target, names, closed):
    found = arguments_of(target)
    assert names <= set(found.parameters) and found.closed is closed
    assert closed is False or target is nn.BatchNorm2d or set(found.parameters) == names


def test_constructors_of_the_libraries_are_followed():
    checkpoint = arguments_of(ResumableCheckpointHook)  # mmengine's keeps what it does not know
    assert not checkpoint.closed and "every_n_iters" in checkpoint.parameters
    assert set(arguments_of(CheckpointHook).parameters) <= set(checkpoint.parameters)
    augmentation = arguments_of(DeviceAugmentation)
    assert augmentation.closed and {"views", "mean", "to_rgb"} <= set(augmentation.parameters)
    assert {"data_root", "split", "indices", "serialize_data"} <= set(
        arguments_of(CIFAR10).parameters
    )


def test_annotations_that_are_text_are_evaluated():
    assert arguments_of(HandsOn).parameters["rate"].annotation is float


def test_a_function_with_keywords_of_its_own_is_open():
    def plain(a, b=1): ...
    def free(a, **others): ...

    assert arguments_of(plain).closed and not arguments_of(free).closed


def test_the_fields_of_a_dataclass_are_arguments():
    @dataclass
    class Recipe:
        size: int = 3
        made: int = field(init=False, default=0)

    assert set(fields_of(Recipe).parameters) == {"size"} and fields_of(Recipe).closed
