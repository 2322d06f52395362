"""mmpretrain's own inferencers on our configs and checkpoints."""

from __future__ import annotations

import mmcv
import mmpretrain
import numpy as np
import pytest
import torch
from labelled import stage_config
from mmpretrain import (
    FeatureExtractor,
    ImageClassificationInferencer,
    ImageRetrievalInferencer,
)
from mmpretrain.registry import MODELS
from small_trees import checkpoint, config_for, photos

from hcsc_mm import HCSCError
from hcsc_mm.apis import HierarchyInferencer, get_model


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def weights(images, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images / "train")


def test_feature_extractor_gives_the_embeddings_of_the_tree(weights, images):
    extractor = FeatureExtractor(get_model(weights, device="cpu"))
    paths = [str(path) for path in sorted(images.glob("val/*/*.png"))]
    expected = HierarchyInferencer(weights, device="cpu").embed(paths)
    for stage in ("embedding", "backbone"):
        found = torch.stack(extractor(paths, batch_size=5, stage=stage)).numpy()
        assert found == pytest.approx(getattr(expected, stage), abs=1e-5)
    with pytest.raises(HCSCError, match="stage='neck' is unknown"):
        extractor(paths[0], stage="neck")


def test_mmpretrains_own_get_model_takes_a_config_and_checkpoint_of_a_pre_training(
    weights, images, tmp_path
):
    config = tmp_path / "pretraining.py"
    config_for(images / "train", tmp_path / "run").dump(config)
    paths = [str(path) for path in sorted(images.glob("val/*/*.png"))]
    extractor = FeatureExtractor(str(config), pretrained=str(weights), device="cpu")
    maps = torch.stack([last for (last,) in extractor(paths, batch_size=5)])
    # of the query encoder, as mmpretrain's own methods have it
    state = torch.load(weights, weights_only=True)["state_dict"]
    model = mmpretrain.get_model(str(config), pretrained=str(weights), device="cpu")
    assert torch.equal(model.backbone.conv1.weight, state["backbone.conv1.weight"])
    same = FeatureExtractor(model)(paths[0])[0][0]
    assert maps.shape[1] == 32 and torch.allclose(maps[0], same, atol=1e-5)


@pytest.mark.parametrize("given", ["path", "array"])
def test_images_come_as_paths_and_as_arrays(given, images, tmp_path):
    cfg = stage_config("linear_folder", tmp_path, images)
    model = MODELS.build(cfg.model)
    meta = {"dataset_meta": {"classes": ("blue", "green", "red")}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "linear.pth")
    cfg.dump(tmp_path / "linear.py")
    path = str(next(images.glob("val/red/*.png")))
    model = mmpretrain.get_model(str(tmp_path / "linear.py"), str(tmp_path / "linear.pth"), "cpu")
    (found,) = ImageClassificationInferencer(model)(path if given == "path" else mmcv.imread(path))
    assert found["pred_class"] == meta["dataset_meta"]["classes"][found["pred_label"]]


def test_retrieval_finds_an_image_first_and_then_its_neighbours(weights, images):
    model = get_model(weights, task="retrieval", device="cpu")
    inferencer = ImageRetrievalInferencer(model, prototype=str(images / "val"))
    ours = HierarchyInferencer(weights, device="cpu")
    ours.embed(images / "val")
    for path in sorted(images.glob("val/*/*.png"))[::5]:
        (found,) = inferencer(str(path), topk=4)
        expected = ours.similar(path, k=4)
        assert found[0]["sample"]["img_path"] == str(path)
        scores = [float(match["match_score"]) for match in found]
        assert scores == pytest.approx([value for _, value in expected], abs=1e-5)


def test_classifier_configs_and_their_checkpoints_work_as_they_are(images, tmp_path):
    cfg = stage_config("linear_folder", tmp_path, images)
    cfg.model.backbone.pop("init_cfg")
    model = MODELS.build(cfg.model)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "linear.pth")
    file = tmp_path / "linear.py"
    cfg.dump(file)
    inferencer = ImageClassificationInferencer(str(file), str(tmp_path / "linear.pth"))
    found = inferencer([str(path) for path in sorted(images.glob("val/*/*.png"))], batch_size=4)
    assert len(found) == 12
    assert all(np.isclose(one["pred_scores"].sum(), 1) for one in found)
    assert {one["pred_label"] for one in found} <= {0, 1, 2}


def test_another_task_is_refused(weights):
    with pytest.raises(HCSCError, match="task='detection' is unknown; choose 'features' or"):
        get_model(weights, task="detection")
