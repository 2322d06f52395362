"""HIRL on SimSiam and BYOL: its losses against loops over numbers, mmpretrain's, and real runs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from cases import random_hierarchy
from contrast_cases import check_against_oracle, dot, rows
from mmengine.logging import MessageHub
from mmpretrain.models.selfsup import BYOL, SimSiam
from mmpretrain.structures import DataSample
from paths import TREE, slow_loss
from siamese import tiny_siamese
from tiny import DIGITS, TINY, train
from torch import Tensor

from hcsc_mm import HCSCError
from hcsc_mm.apis import load_embedder
from hcsc_mm.models.selfsup import HIRLBYOL, HIRLSimSiam
from hcsc_mm.runtime.launch import load_config
from hcsc_mm.structures import ClustersImages, ContrastsKeys
from hcsc_mm.utils.models import unwrapped

BASES = {HIRLSimSiam: SimSiam, HIRLBYOL: BYOL}
KINDS = pytest.mark.parametrize("kind", BASES, ids=lambda kind: kind.__name__)
IMAGES = [4, 7, 30, 11]


@pytest.fixture(autouse=True)
def steps_to_come():
    """A run's hooks say how many steps it has, of which BYOL's momentum makes a cosine."""
    MessageHub.get_current_instance().update_info("max_iters", 10)


def samples() -> list[DataSample]:
    return [DataSample(metainfo={"sample_idx": index}) for index in IMAGES]


def views(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 3, 6, 6, generator=generator) for _ in range(2)]


def slow_distance(predicted: list[list[float]], target: list[list[float]]) -> float:
    """Mean of −cos over pairs of rows."""
    pairs = list(zip(predicted, target, strict=True))
    lengths = [(dot(one, one) * dot(other, other)) ** 0.5 for one, other in pairs]
    total = sum(dot(*pair) / length for pair, length in zip(pairs, lengths, strict=True))
    return -total / len(pairs)


@KINDS
def test_loss_and_gradient_equal_the_slow_oracle(kind):
    """The gradient by the first view; no gradient goes through a target."""
    model = tiny_siamese(kind, dim=5, num_levels=3, num_negative_paths=7).double()
    model.set_hierarchy(TREE)
    first = torch.randn(4, 12, generator=torch.Generator().manual_seed(1)).double()
    second = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(2)).double()
    torch.manual_seed(9)
    drawn = torch.randint(6, (4, 7)).tolist()
    own = TREE.path(IMAGES)[0].tolist()

    def fast(flat):
        torch.manual_seed(9)
        losses = model.loss([flat.reshape(4, 3, 2, 2), second], samples())
        assert set(losses) == {"loss", "loss_path"}
        return losses["loss"] + losses["loss_path"]

    @torch.no_grad()
    def project(images):
        return model.neck(model.backbone(images))[0]

    @torch.no_grad()
    def predict(projection):
        return rows(model.head.predictor([projection])[0])

    fast(first)  # the target network begins
    target = project if kind is HIRLSimSiam else lambda images: model.target_net(images)[0]
    with torch.no_grad():
        targets = [rows(target(images)) for images in (first.reshape(4, 3, 2, 2), second)]
    weight = 0.5 if kind is HIRLSimSiam else 2.0

    @torch.no_grad()
    def slow(numbers):
        projection = project(torch.tensor(numbers, dtype=torch.float64).reshape(4, 3, 2, 2))
        forwards = slow_distance(predict(projection), targets[1])
        backwards = slow_distance(predict(project(second)), targets[0])
        levels = [F.normalize(one(projection), dim=1) for one in model.head.projections]
        vectors = [[rows(level)[image] for level in levels] for image in range(4)]
        return weight * (forwards + backwards) + slow_loss(vectors, own, drawn)

    check_against_oracle(fast, slow, first)


@KINDS
def test_without_a_tree_it_is_mmpretrains_model_to_the_last_bit(kind):
    model, plain = tiny_siamese(kind), tiny_siamese(BASES[kind])
    missing = plain.load_state_dict(
        {name: value for name, value in model.state_dict().items() if "projections" not in name}
    )
    assert not missing.missing_keys
    losses = {}
    for one in (model, plain):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
        losses[one] = []
        for step in range(4):
            (loss,) = one.loss(views(step), samples()).values()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[one].append(loss.item())
    assert losses[model] == losses[plain]
    ours = dict(model.named_parameters())
    assert all(torch.equal(ours[name], value) for name, value in plain.named_parameters())


def test_byols_target_has_batch_norm_statistics_of_its_own():
    model = tiny_siamese(HIRLBYOL)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for step in range(3):
        (loss,) = model.loss(views(step), samples()).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    target = model.target_net.module[0][1]
    # the trained network's after the first step's two views; then two views of each step
    assert target.num_batches_tracked == 2 + 3 * 2
    assert not torch.equal(target.running_mean, model.backbone[1].running_mean)


@KINDS
def test_images_are_clustered_by_projections_of_unit_length_in_eval_mode(kind):
    model, (images, _) = tiny_siamese(kind), views()
    model.train()
    model.head.eval()  # each module keeps its mode
    with model.encoding_keys():
        key, again = model.encode_key(images), model.encode_key(images[:2])
    torch.testing.assert_close(key[:2], again)
    torch.testing.assert_close(key.norm(dim=1), torch.ones(4))
    assert model.backbone.training and model.neck.training and not model.head.training
    encoder = torch.nn.Sequential(model.backbone, model.neck)
    if kind is HIRLBYOL:
        encoder = model.target_net.module
    names = model.state_dict().keys()
    assert set(model.clustering_weights()) <= names
    encoder.eval()
    torch.testing.assert_close(key, F.normalize(encoder(images)[0], dim=1))


@KINDS
def test_hooks_take_it_for_a_model_that_clusters_and_keeps_no_keys(kind):
    model = tiny_siamese(kind)
    assert isinstance(model, ClustersImages) and not isinstance(model, ContrastsKeys)
    base = BASES[kind].__name__
    (warning,) = model.missing_hooks([])
    assert f"without which it is {base}" in warning and f"model.type='{base}'" in warning
    with pytest.raises(HCSCError, match=r"the training pipeline"):
        model.try_batch({"data_samples": [DataSample()]})
    with pytest.raises(HCSCError, match=r"tree has 3; set model\.head\.num_levels=3"):
        model.set_hierarchy(random_hierarchy(dim=8))


def config(name: str, folder, **more):
    """The tiny digits config of a method without a queue."""
    options = {key: value for key, value in TINY.items() if not key.startswith("model.neck")}
    del options["model.queue_len"]
    path = DIGITS.with_name(f"hirl-{name}_r18_digits.py")
    widths = {"width": 32, "param_scheduler": []}
    cfg = load_config(str(path), {**options, **widths, **more})
    cfg.custom_hooks = []
    cfg.work_dir, cfg.launcher, cfg.log_level = str(folder), "none", "WARNING"
    cfg.experiment_name = str(folder).replace("/", "_")
    return cfg


@pytest.mark.parametrize("name", ["simsiam", "byol"])
def test_a_run_clusters_embeds_and_goes_on_with_equal_numbers(name, tmp_path):
    runner, whole = train(config(name, tmp_path / "run"))
    assert whole.loss_names[0] == {"loss"} and whole.loss_names[-1] == {"loss", "loss_path"}
    assert unwrapped(runner.model).hierarchy.num_prototypes == (12, 6, 3)
    embedder = load_embedder(tmp_path / "run" / "epoch_3.pth", device="cpu")
    assert embedder.fits and embedder.hierarchy.num_prototypes == (12, 6, 3)
    model, (images, _) = unwrapped(runner.model), views()
    with model.encoding_keys():
        key = model.encode_key(model.preprocess(images))
    torch.testing.assert_close(embedder.embed(images).embedding, key)
    cfg = config(name, tmp_path / "run")
    cfg.resume, cfg.load_from = True, str(tmp_path / "run" / "epoch_2.pth")
    _, rest = train(cfg)
    assert rest.losses == whole.losses[12:]


def test_a_bank_of_keys_is_refused_before_the_first_step(tmp_path):
    options = {"default_hooks.clustering.features": "bank"}
    with pytest.raises(HCSCError, match=r"HIRLSimSiam has none; set default_hooks\.clustering"):
        train(config("simsiam", tmp_path / "run", **options))
