"""Vision transformers and ConvNeXts of timm through the whole of a run."""

from __future__ import annotations

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from tiny import ROOT, Record, largest_difference

from hcsc_mm.apis import load_embedder
from hcsc_mm.evaluation.feature_set import pooled_features
from hcsc_mm.runtime.launch import build_runner, load_config
from hcsc_mm.stages.prepare import fit_to_pretraining
from hcsc_mm.weights import convert, read_checkpoint

SHORT = {
    "train_dataloader.dataset.indices": 64,
    "train_dataloader.batch_size": 16,
    "train_dataloader.num_workers": 0,
    "max_epochs": 3,
    "lr_warmup": 4,
    "model.queue_len": 40,
    "model.neck.hid_channels": 32,
    "model.neck.out_channels": 16,
    "default_hooks.clustering.num_prototypes": (12, 6, 3),
    "default_hooks.clustering.warmup_epochs": 1,
    "default_hooks.checkpoint.max_keep_ckpts": -1,
    "default_hooks.logger.interval": 1,
}
SMALLER = {
    "hcsc_vit_digits": {"embed_dim": 48, "model.backbone.depth": 2},
    "hcsc_convnext_digits": {"dims": (4, 8, 8, 16)},
    "hcsc_convnextv2_digits": {"dims": (4, 8, 8, 16)},
}


def config(name, work_dir, **options):
    cfg = load_config(str(ROOT / "configs" / f"{name}.py"), {**SHORT, **SMALLER[name], **options})
    cfg.work_dir, cfg.launcher, cfg.log_level = str(work_dir), "none", "WARNING"
    cfg.experiment_name = str(work_dir).replace("/", "_")
    return cfg


def train(cfg):
    runner, record = build_runner(cfg), Record()
    runner.register_hook(record)
    runner.train()
    return runner, record


@pytest.fixture(scope="module", params=list(SMALLER))
def run(request, tmp_path_factory):
    """A finished run: its name, folder, runner and record."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, *train(config(request.param, folder))


def test_it_trains_clusters_and_says_nothing_of_shared_statistics(run):
    _, folder, runner, record = run
    assert len(record.losses) == 12 and all(loss > 0 for loss in record.losses)
    assert record.hierarchies[2] is not None
    said = "".join(path.read_text() for path in folder.glob("*/*.log"))
    assert "batch-norm statistics" not in said and "is skipped since" not in said
    rates = {group["lr"] for group in runner.optim_wrapper.optimizer.param_groups}
    assert len(rates) == 1  # one for all, at the end of the cosine


@pytest.mark.parametrize("epoch", [1, 2])
def test_it_resumes_as_if_it_had_not_stopped(run, tmp_path, epoch):
    name, folder, whole, _ = run
    saved = str(folder / f"epoch_{epoch}.pth")
    rest, _ = train(config(name, tmp_path, resume=True, load_from=saved))
    assert largest_difference(whole.model.state_dict(), rest.model.state_dict()) == 0


def test_extraction_inferencer_and_timm_give_the_same_vector(run, tmp_path):
    _, folder, runner, _ = run
    model, last = runner.model.eval(), folder / "epoch_3.pth"
    images = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    convert(last, tmp_path / "out.safetensors", "timm")
    options = dict(runner.cfg.model.backbone)
    for ours in ("type", "pooling", "frozen_patch_embed", "drop_path_rate"):
        options.pop(ours, None)
    network = timm.create_model(**options, num_classes=0)
    network.load_state_dict(read_checkpoint(tmp_path / "out.safetensors").weights)
    network.reset_classifier(0, "avg")
    embedder = load_embedder(last, device="cpu")
    with torch.no_grad():
        features = pooled_features(model, images)
        torch.testing.assert_close(network.eval()(model.preprocess(images)), features)
        found = embedder.encoder(images)
        key = model.momentum_encoder.encoder[0](model.preprocess(images))[-1]
        torch.testing.assert_close(found.backbone, key)
        torch.testing.assert_close(found.embedding, model.encode_key(model.preprocess(images)))
    assert features.ndim == 2 and features.shape[1] == model.neck.in_channels


@pytest.mark.parametrize("stage", ["linear_digits", "semi_folder"])
def test_stages_that_train_take_it(run, stage):
    _, folder, runner, _ = run
    cfg = load_config(str(ROOT / "configs/benchmarks" / f"{stage}.py"))
    fit_to_pretraining(cfg, runner.cfg, str(folder / "epoch_3.pth"))
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg.model)
    model.init_weights()
    theirs, ours = model.backbone.state_dict(), runner.model.backbone.state_dict()
    assert largest_difference(theirs, ours) == 0
    logits = model(torch.randn(2, 3, 16, 16))
    assert logits.shape == (2, cfg.model.head.num_classes)
    if stage == "semi_folder":
        assert all(weight.requires_grad for weight in model.parameters())
