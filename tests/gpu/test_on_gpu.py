"""The same numbers on a GPU as on the CPU, and a run on it that resumes.

Skipped without a GPU. HCSC_GPU_DAY_DEVICE=cpu puts the CPU in its place, which tests these tests.
"""

import copy
import os

import pytest
import torch
from cases import blobs, random_hierarchy, tiny_hcsc, unit_rows
from mmpretrain.structures import DataSample
from tiny import largest_difference, tiny_config, train

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.models import ClusterSelection
from hcsc_mm.models.data_preprocessors.device_augmentation import DeviceAugmentation
from hcsc_mm.models.data_preprocessors.view_parameters import draw_parameters

pytestmark = pytest.mark.gpu


@pytest.fixture
def device():
    if torch.cuda.is_available():
        # convolutions and products as exact as on the CPU
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        return "cuda"
    if os.environ.get("HCSC_GPU_DAY_DEVICE") == "cpu":
        return "cpu"
    pytest.skip("no GPU")


def test_losses_and_gradients_of_warm_up_are_those_of_the_cpu(device):
    here = tiny_hcsc().train()
    there = copy.deepcopy(here).to(device)
    views = [torch.randn(8, 3, 9, 9) for _ in range(2)]
    samples = [DataSample(metainfo={"sample_idx": index}) for index in range(8)]
    found = []
    for model, inputs in ((here, views), (there, [view.to(device) for view in views])):
        losses = model.loss(inputs, samples)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        found.append((losses, {n: w.grad for n, w in model.named_parameters() if w.requires_grad}))
    (cpu_losses, cpu_gradients), (losses, gradients) = found
    assert (
        largest_difference(
            {n: v.detach() for n, v in cpu_losses.items()},
            {n: v.detach().cpu() for n, v in losses.items()},
        )
        < 1e-5
    )
    assert (
        largest_difference(cpu_gradients, {n: gradient.cpu() for n, gradient in gradients.items()})
        < 1e-4
    )
    assert torch.equal(here.queue.pointer, there.queue.pointer.cpu())


def test_probabilities_of_keeping_a_negative_are_those_of_the_cpu(device):
    hierarchy, keys = random_hierarchy(dim=8), unit_rows(64, 8)
    shares = []
    for place in ("cpu", device):
        selection = ClusterSelection()
        selection.set_hierarchy(hierarchy.to(place), keys.to(place))
        torch.manual_seed(0)
        selection.draw(keys.to(place), hierarchy.to(place).path([0, 3, 5, 6]), 1)
        shares.append(selection.keep_shares())
    assert shares[0].keys() == shares[1].keys()
    assert all(abs(shares[0][name] - shares[1][name]) < 1e-4 for name in shares[0])


@pytest.mark.parametrize("backend", ["torch", "faiss"])
def test_clusters_of_separate_blobs_are_those_of_the_cpu(device, backend):
    if backend == "faiss":
        faiss = pytest.importorskip("faiss")
        if device == "cuda" and not hasattr(faiss, "StandardGpuResources"):
            pytest.skip("the installed FAISS knows no GPU")
    features, blob = blobs(600, 12, 16)
    tree = hierarchical_kmeans(features.to(device), (12, 4), backend=backend)
    assert tree.assignment.device.type == device
    finest = tree.to("cpu").path(range(600))[0]
    pairs = {(int(a), int(b)) for a, b in zip(finest, blob, strict=True)}
    assert len(pairs) == 12  # each blob one cluster, each cluster one blob


def test_views_made_on_the_device_are_those_of_the_cpu(device):
    preprocess = DeviceAugmentation(
        views=[dict(size=32), dict(size=24)],
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    )
    coarse = torch.rand(16, 3, 6, 8)
    images = (255 * torch.nn.functional.interpolate(coarse, (48, 64), mode="bicubic")).clamp(0, 255)
    sizes = [(48, 64)] * 16
    drawn = [draw_parameters(recipe, sizes) for recipe in preprocess.views]
    expected = preprocess.make_views(images.byte(), drawn)
    found = preprocess.to(device).make_views(images.byte().to(device), drawn)
    for one, other in zip(expected, found, strict=True):
        assert other.device.type == device
        difference = (one - other.cpu()).abs() * 57  # in levels of 255
        # the CPU rounds after the resize, and the colours enlarge that
        assert float(difference.mean()) < 0.8


def test_a_run_on_the_device_resumes_with_the_numbers_of_the_uninterrupted_one(device, tmp_path):
    whole, record = train(tiny_config(tmp_path / "whole"))
    assert next(whole.model.parameters()).device.type == device
    cfg = tiny_config(tmp_path / "resumed")
    cfg.resume, cfg.load_from = True, str(tmp_path / "whole/epoch_2.pth")
    _, resumed = train(cfg)
    assert len(resumed.losses) == 6
    torch.testing.assert_close(resumed.losses, record.losses[-6:], rtol=1e-3, atol=1e-3)
