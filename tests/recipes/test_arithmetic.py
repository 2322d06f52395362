"""A recipe's numbers go together whatever the images are, and what is set by hand stays."""

import pytest

from hcsc_mm import HCSCError
from hcsc_mm.clustering import check_num_prototypes
from hcsc_mm.recipes import Material, fit_recipe

PHOTOGRAPHS = [(128, 171), (171, 128), (128, 128)]


def fitted(num_images=2640, sizes=PHOTOGRAPHS, by_hand=None, **options):
    return fit_recipe(Material(num_images, sizes, **options), by_hand).values


@pytest.mark.parametrize("num_images", [8, 40, 120, 200, 1000, 2640, 19280, 1_281_167])
@pytest.mark.parametrize("sizes", [[(28, 28)], PHOTOGRAPHS, [(12, 500)], [(4000, 3000)]])
@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_values_go_together(num_images, sizes, world_size, device):
    values = fitted(num_images, sizes, world_size=world_size, device=device)
    total = values["batch_size"] * world_size
    assert total <= num_images
    assert values["batch_size"] % values["num_splits"] == 0
    assert total <= values["queue_len"] <= max(total, num_images // 2)
    check_num_prototypes(values["num_prototypes"], num_images)
    assert 0 <= values["warmup_epochs"] < values["max_epochs"] <= 400
    assert values["warmup_epochs"] % values["every_epochs"] == 0
    assert values["grace_epochs"] <= values["max_epochs"]
    assert values["lr_warmup"] <= values["max_epochs"] * (num_images // total)
    assert 16 <= values["image_size"] <= values["short_side"] <= values["long_side"]
    assert values["lr"] == pytest.approx(0.12 * total / 256)


def test_numbers_of_grocery_on_two_cores():
    assert fitted() == {
        "image_size": 64,
        "short_side": 144,
        "long_side": 288,
        "small_stem": False,
        "base_channels": 32,
        "blur_prob": 0.5,
        "batch_size": 64,
        "num_splits": 4,
        "num_workers": 1,
        "max_epochs": 25,  # 1000 / 41
        "every_epochs": 1,
        "lr_warmup": 100,
        "warmup_epochs": 3,
        "grace_epochs": 8,
        "lr": 0.03,
        "weight_decay": 1e-4,
        "momentum": 0.01,
        "momentum_end": 0.001,
        "queue_len": 1024,
        "temperature": 0.2,
        "num_prototypes": (264, 88, 29),
    }


def test_small_images_keep_their_size_and_get_a_small_stem():
    values = fitted(10_000, [(28, 28)])
    assert (values["image_size"], values["small_stem"], values["blur_prob"]) == (28, True, 0.0)


def test_few_images_get_small_batches_and_rare_clusterings():
    values = fitted(40)
    assert (values["batch_size"], values["num_splits"], values["queue_len"]) == (8, 2, 16)
    assert values["num_prototypes"] == (8, 3)
    assert values["every_epochs"] == 8  # of 5 steps


@pytest.mark.parametrize(
    ("num_images", "seeding"), [(8, "ward"), (4096, "ward"), (4097, "k-means++")]
)
def test_trees_of_trained_features_begin_with_wards_clusters_of_few_images(num_images, seeding):
    assert fitted(num_images, trained=True)["seeding"] == seeding
    assert fitted(num_images, trained=True, by_hand={"seeding": "random"})["seeding"] == "random"
    assert "seeding" not in fitted(num_images)


def test_a_value_by_hand_stays_and_what_is_derived_from_it_follows():
    values = fitted(by_hand={"batch_size": 24, "image_size": 96})
    assert (values["batch_size"], values["num_splits"]) == (24, 2)
    assert values["lr"] == pytest.approx(0.12 * 24 / 256)
    assert values["queue_len"] == 16 * 24
    assert (values["image_size"], values["short_side"]) == (96, 215)


def test_every_value_has_a_line_that_says_how_it_was_got():
    recipe = fit_recipe(Material(2640, PHOTOGRAPHS), {"lr": 0.5})
    lines = recipe.lines()
    assert len(lines) == len(recipe.values)
    assert "lr = 0.5: set by hand; the recipe's would be 0.03, 0.12 × the total batch" in "".join(
        lines
    )


@pytest.mark.parametrize(
    ("num_images", "by_hand", "message"),
    [
        (7, {}, "7 images are too few to learn from"),
        (40, {"batch_size": 64}, "batch_size=64 and 40 images do not go together; give 1 to 40"),
        (40, {"queue_len": 4}, "queue_len=4 is below the total batch of 8"),
        (40, {"num_prototypes": (50, 10)}, "num_prototypes.0.=50 exceeds the 40"),
    ],
)
def test_what_cannot_work_is_refused(num_images, by_hand, message):
    with pytest.raises(HCSCError, match=message):
        fitted(num_images, by_hand=by_hand)
