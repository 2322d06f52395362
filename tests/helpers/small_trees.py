"""Checkpoints and tree folders that take a second or two."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from labelled import labelled_folder
from mmpretrain.registry import MODELS
from tiny import tiny_config

from hcsc_mm.apis import load_embedder
from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.datasets import ImageFolder
from hcsc_mm.datasets.fingerprint import fingerprint
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.tree_images import TreeImages, open_folder
from hcsc_mm.structures.checkpoint_entry import weights_digest

_PART = "momentum_encoder."
QUICK = {"batch_size": 16, "num_workers": 0}


def photos(folder: Path) -> Path:
    """train/<class>/, 24 images of 3 colours."""
    return labelled_folder(folder, train=8, val=4)


def config_for(images: Path, work_dir: Path):
    """The tiny model on a folder: crops of 16 pixels, 16-dimensional embeddings."""
    cfg = tiny_config(work_dir, default_hooks__clustering__num_prototypes=(6, 3))
    load = dict(type="hcsc_mm.LoadImage")
    cfg.train_dataloader.dataset = dict(
        type="hcsc_mm.ImageFolder", data_root=str(images), pipeline=[load]
    )
    crop = [dict(type="ResizeEdge", scale=18), dict(type="CenterCrop", crop_size=16)]
    cfg.default_hooks.clustering.pipeline = [load, *crop, dict(type="PackInputs")]
    return cfg


def checkpoint(file: Path, images: Path, num_prototypes=(6, 3), **changes) -> Path:
    """As a training run leaves it, but of random weights: config, weights, and the hierarchy of the
    key encoder's embeddings of ``images``.
    """
    cfg = config_for(images, file.parent / "run")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    for parameter in model.momentum_encoder.parameters():  # not the query encoder's
        parameter.data.mul_(1.1)
    text = "\n".join(f"{key} = {value!r}" for key, value in cfg.to_dict().items())  # yapf is slow
    state = {"meta": {"cfg": text}, "state_dict": model.state_dict()}
    torch.save(state, file)
    dataset = ImageFolder(data_root=str(images), pipeline=[])
    embedding = embed_all(load_embedder(file, device="cpu"), TreeImages(dataset))
    hierarchy = hierarchical_kmeans(embedding, num_prototypes)
    state["hierarchical_clustering"] = {
        "num_samples": len(dataset),
        "images": fingerprint(dataset),
        "hierarchy": hierarchy.state_dict(),
        "weights": weights_digest(
            {name: value for name, value in state["state_dict"].items() if name.startswith(_PART)}
        ),
        **changes,
    }
    torch.save(state, file)
    return file


def embed_all(embedder, images) -> torch.Tensor:
    """(N, D), one image at a time: what batches, workers and processes must not change."""
    from hcsc_mm.apis import ImageView

    view = ImageView(images, embedder.pipeline)
    return torch.cat([embedder.embed(view[row][0][None]).embedding for row in range(len(view))])


def build(weights: Path, images: Path, out: Path, labels: str | None = None, **options) -> Tree:
    """A tree folder."""
    sources = Sources(load_embedder(weights, device="cpu"), open_folder(str(images), labels))
    build_tree(sources, out, BuildOptions(**{**QUICK, **options}))
    return Tree(out)


def build_from_rows(embedding: np.ndarray, out: Path, **options) -> Tree:
    """A tree folder of given embeddings, without images."""
    build_tree(Sources(None, None, embedding), out, BuildOptions(**options))
    return Tree(out)


@functools.cache
def rows_in_blobs(number: int = 400, blobs: int = 12, dim: int = 8) -> np.ndarray:
    """(N, D) float32 unit rows around some directions."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(blobs, dim))
    rows = centres[random.integers(blobs, size=number)] + 0.3 * random.normal(size=(number, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
