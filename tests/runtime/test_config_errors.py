"""What a constructor does not take is one line with its place in the config."""

import pytest
from tiny import tiny_config

from hcsc_mm import HCSCError
from hcsc_mm.runtime.config_errors import place_of
from hcsc_mm.runtime.launch import train


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model__backbone__depth": 19},
            r"^model\.backbone \(ResNet_CIFAR\) cannot be built: KeyError: invalid depth 19",
        ),
        (
            {"optim_wrapper__optimizer__type": "SGDD"},
            r"^optim_wrapper\.optimizer \(SGDD\): nothing .* did you mean SGD",
        ),
        (
            {"default_hooks__clustering__num_prototypes": 100},
            r"num_prototypes=100 must be a list of one number per level",
        ),
        (
            {"default_hooks__clustering__num_prototypes": "100"},
            r"num_prototypes='100' must be a list",
        ),
        (
            {"param_scheduler": [dict(type="CosineAnealingLR", by_epoch=True)]},
            r"^param_scheduler\.0 \(CosineAnealingLR\): nothing .* did you mean CosineAnnealingLR",
        ),
        (
            {"train_dataloader__dataset__pipeline": [dict(type="Resise", scale=16)]},
            r"^train_dataloader\.dataset\.pipeline\.0 \(Resise\): .* did you mean Resize",
        ),
        (
            {"default_hooks__clustering__pipeline": [dict(type="Resise", scale=16)]},
            r"^default_hooks\.clustering\.pipeline\.0 \(Resise\)",
        ),
        (
            {"model__backbone__strides": (1, 2)},
            r"^model\.backbone \(ResNet_CIFAR\) cannot be built",
        ),
        ({"model__head__type": "hcsc_mm.HCSCHed"}, r"^model\.head .* did you mean HCSCHead"),
        (
            {"optim_wrapper__optimizer__momentum": -1},
            r"^optim_wrapper.* \(SGD\) cannot be built: ValueError: Invalid momentum value: -1",
        ),
        ({"val_cfg": {}}, r"^the config cannot be built: ValueError: val_dataloader, val_cfg"),
        (
            {"train_dataloader__persistent_workers": True},
            r"train_dataloader\.persistent_workers=True needs workers, and num_workers is 0",
        ),
        (
            {"train_dataloader__prefetch_factor": 4},
            r"train_dataloader\.prefetch_factor=4 needs workers",
        ),
    ],
)
def test_a_mistake_in_a_config_is_one_line_with_its_place(tmp_path, options, message):
    with pytest.raises(HCSCError, match=message) as error:
        train(tiny_config(tmp_path, **options))
    assert "\n" not in error.value.one_line()


def test_the_place_of_a_part_is_where_it_stands():
    config = {"model": {"backbone": {"type": "A", "depth": 3}}, "hooks": [{"type": "B"}]}
    assert place_of(config, {"type": "A", "depth": 3}) == "model.backbone"
    assert place_of(config, {"type": "B", "priority": 3}) == "hooks.0"
    assert place_of(config, {"type": "C"}) is None
