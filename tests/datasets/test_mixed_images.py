"""Real and generated images in a ratio: what is listed, known again, trained on, gone on with."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from rows import encoded
from sklearn.datasets import load_digits
from stores import write_folder
from tiny import ROOT, folder_config, largest_difference, train

from hcsc_mm import HCSCError
from hcsc_mm.datasets.fingerprint import difference, fingerprint
from hcsc_mm.datasets.mixed_images import MixedImages, mixed_numbers
from hcsc_mm.runtime.launch import load_config


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Ten scans of digits, and fifty that a model may have made of others."""
    scans = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)[..., None].repeat(3, axis=3)
    made = np.clip(scans[200:250] + np.random.default_rng(0).integers(0, 40, (50, 8, 8, 1)), 0, 255)
    folder = tmp_path_factory.mktemp("places")
    return [
        str(write_folder(folder / name, encoded(images.astype(np.uint8))))
        for name, images in (("real", scans[:10]), ("made", made))
    ]


def mixture(places, **options) -> MixedImages:
    real, made = places
    return MixedImages(real, made, pipeline=[dict(type="hcsc_mm.LoadImage")], **options)


@pytest.mark.parametrize("real", [1, 7, 50])
@pytest.mark.parametrize("made", [1, 20, 1000])
@pytest.mark.parametrize("share", [0.1, 1 / 3, 0.5, 0.9])
def test_the_share_is_met_to_one_image_and_every_image_is_there(real, made, share):
    listed_real, listed_made = mixed_numbers(real, made, share)
    assert listed_real >= real and listed_made >= made
    assert listed_real == real or listed_made == made  # one kind only is repeated
    repeated, fixed = (listed_real, listed_made) if listed_made == made else (listed_made, real)
    wanted = share if listed_made == made else 1 - share
    assert abs(repeated - fixed * wanted / (1 - wanted)) <= 0.5 or repeated in (real, made)


def test_the_released_numbers_are_ten_times_the_real_images():
    assert mixed_numbers(50_000, 1_000_000, 1 / 3) == (500_000, 1_000_000)
    assert mixed_numbers(50_000, 1_000_000, None) == (50_000, 1_000_000)


def test_real_images_come_first_and_again_until_they_have_their_share(places):
    found = mixture(places, real_share=0.345)
    names = [found.get_data_info(row)["img_path"] for row in range(len(found))]
    assert len(found) == 26 + 50
    assert names[:26] == [f"{places[0]}/{row % 10:04d}.png" for row in range(26)]
    assert names[26:] == [f"{places[1]}/{row:04d}.png" for row in range(50)]
    assert [found[row]["sample_idx"] for row in (0, 10, 75)] == [0, 10, 75]
    np.testing.assert_array_equal(found[3]["img"], found[13]["img"])
    few = mixture(places[::-1], real_share=0.5)  # now the generated ones are repeated
    assert len(few) == 100 and len(mixture(places)) == 60


def test_the_same_mixture_elsewhere_is_the_same_and_another_share_is_not(places, tmp_path):
    saved = fingerprint(mixture(places, real_share=0.5))
    again = [shutil.copytree(place, tmp_path / str(name)) for name, place in enumerate(places)]
    assert difference(saved, mixture(again, real_share=0.5)) is None
    for other in (mixture(places), mixture(places, real_share=0.6), mixture(places[::-1])):
        assert "other images" in difference(saved, other)


def config(work_dir, places, hcsc):
    cfg = folder_config(work_dir, work_dir)
    pipeline = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    cfg.train_dataloader.dataset = ConfigDict(
        type="hcsc_mm.MixedImages",
        data_root=places[0],
        generated=places[1],
        real_share=0.5,
        pipeline=pipeline,
    )
    cfg.train_cfg.max_epochs = 3
    if not hcsc:
        cfg.model.type = "hcsc_mm.MomentumContrast"
        cfg.model.head = ConfigDict(type="hcsc_mm.InfoNCEHead")
        cfg.default_hooks.clustering = None
    return cfg


@pytest.mark.parametrize("hcsc", [False, True], ids=["MoCo v2", "HCSC"])
def test_a_run_goes_on_with_equal_numbers_and_repetitions_share_their_cluster(
    tmp_path, places, hcsc
):
    whole, record = train(config(tmp_path, places, hcsc))
    assert len(record.losses) == 3 * (100 // 16)
    cfg = config(tmp_path, places, hcsc)
    cfg.resume, cfg.load_from = True, str(tmp_path / "run" / "epoch_2.pth")
    resumed, rest = train(cfg)
    assert rest.losses == record.losses[-6:]
    assert largest_difference(resumed.model.state_dict(), whole.model.state_dict()) == 0
    if hcsc:
        clusters = whole.model.hierarchy.assignment
        assert len(clusters) == 100
        assert torch.equal(clusters[:10].repeat(5), clusters[:50])


def test_another_share_is_refused_on_resume_where_images_have_clusters(tmp_path, places):
    train(config(tmp_path, places, True))
    cfg = config(tmp_path, places, True)
    cfg.train_dataloader.dataset.real_share = 0.6
    cfg.resume, cfg.load_from = True, str(tmp_path / "run" / "epoch_2.pth")
    with pytest.raises(HCSCError, match="was trained on 100 images, the data set has 125 now"):
        train(cfg)


def test_the_strength_of_the_augmentation_follows_the_share():
    def chance(**options):
        cfg = load_config(str(ROOT / "configs" / "adainf_r18_200e_folder.py"), options)
        (views,) = [
            step for step in cfg.train_dataloader.dataset.pipeline if step.type == "MultiView"
        ]
        return cfg.train_dataloader.dataset.real_share, views.transforms[0][1].prob

    assert chance() == (pytest.approx(1 / 3), pytest.approx(0.4))  # the released weak one
    assert chance(real_share="0.6") == (0.6, pytest.approx(0.8 * 0.7))


@pytest.mark.parametrize("share", [0, 1, -0.2])
def test_impossible_shares_are_refused(places, share):
    with pytest.raises(HCSCError, match=r"must lie in \(0, 1\); for real images alone take"):
        mixture(places, real_share=share)


def test_a_kind_without_images_is_refused(places, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(HCSCError, match="finds no image in generated; set it to a folder of some"):
        mixture([places[0], str(tmp_path / "empty")])
    with pytest.raises(HCSCError, match="no image folder is given"):
        mixture([places[0], ""])
