#!/usr/bin/env python
"""See HCSC learn on handwritten digits: ``python tools/quick_start.py [--seeds 3]``.

Trains the same small network for the same number of steps as MoCo v2 (no clusters), as PCL
(clusters, no tree) and as HCSC, and compares their features on held-out digits with raw pixels and
with the untrained network. Every number of the table is measured in this run. HCSC's tree becomes
a page to open in a browser: work_dirs/quick_start/tree/index.html.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

try:
    import hcsc_mm
    from hcsc_mm import HCSCError
except ImportError as error:
    sys.exit(f"error: {error}{getattr(error, 'advice', '; run: pip install -e .')}")

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from hcsc_mm.apis import load_embedder
from hcsc_mm.datasets import Digits, ExtractionView
from hcsc_mm.evaluation import clustering_scores, extract_features, knn_classify
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.page import PageOptions, write_page
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.tree_images import open_dataset
from hcsc_mm.garbage import spare_imports
from hcsc_mm.models import MomentumContrast
from hcsc_mm.runtime.configs import OptionsAction, check_kept
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.runtime.launch import build_runner, load_config_with_known
from hcsc_mm.structures import PrototypeHierarchy
from hcsc_mm.structures.checkpoint_entry import saved_tree
from hcsc_mm.utils.files import write_text
from hcsc_mm.utils.safe_load import load_data
from hcsc_mm.utils.tables import markdown_table, mean_std, shown
from hcsc_mm.visualization import draw_hierarchy

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
# HCSC's config first: an option that it does not know is refused.
METHODS = {"HCSC": "hcsc", "MoCo v2": "mocov2", "PCL": "pcl"}
NEIGHBOURS = 20


def main() -> None:
    spare_imports()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, default=1, help="repeat with so many seeds, and print means and spread"
    )
    parser.add_argument(
        "--work-dir",
        default="work_dirs/quick_start",
        help="folder for the table, the picture, the tree, logs and checkpoints",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=OptionsAction,
        metavar="KEY=VALUE",
        help="change entries of the configs: of HCSC's, and of the others' that have them",
    )
    args = parser.parse_args()
    if args.seeds < 1:
        parser.error("--seeds must be at least 1")
    # One core prepares the scans; threads that wait for it would only stand in its way.
    torch.set_num_threads(max(1, min(4, (os.cpu_count() or 1) - 1)))
    with one_line_errors():
        start = time.perf_counter()
        folder = Path(args.work_dir)
        folder.mkdir(parents=True, exist_ok=True)
        runs = []
        for seed in range(args.seeds):
            runs.append(compare(seed, folder, args.cfg_options or {}))
            results = summarise(runs, time.perf_counter() - start)
            write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
        table = format_table(results)
        write_text(folder / "table.md", table)
        print(
            f"\n{table}\nwritten to {folder}: results.json, table.md, hierarchy.png; took "
            f"{results['seconds']:.0f} s\nthe tree of the digits, to open in a browser: "
            f"{folder / 'tree' / 'index.html'}"
        )


def compare(seed: int, folder: Path, options: dict) -> dict:
    """All rows of the table for one seed; the first seed also draws the picture and the tree."""
    train, test = Digits(split="train", pipeline=[]), Digits(split="test", pipeline=[])
    cfgs = configure(seed, folder / f"seed{seed}", options)
    pipeline = cfgs["HCSC"].default_hooks.clustering.pipeline
    rows = {"raw pixels": {"knn": knn_accuracy(pixels(train), pixels(test), train, test)}}
    for name in ("MoCo v2", "PCL", "HCSC"):
        runner = build_quietly(cfgs[name], f"seed {seed}: {name}")
        if "untrained" not in rows:
            runner.model.init_weights()
            rows["untrained"] = {"knn": evaluate(runner.model, pipeline, train, test)}
        rows[name] = {
            "seconds": seconds_of(runner.train),
            "knn": evaluate(runner.model, pipeline, train, test),
        }
    # the last runner is HCSC's
    checkpoint = runner.message_hub.get_info("last_ckpt")
    hierarchy = final_hierarchy(checkpoint)
    if seed == 0:
        scans = [train.get_data_info(index)["img"] for index in range(len(train))]
        keys = embed(runner.model.encode_key, runner.model, train, pipeline)
        draw_hierarchy(scans, keys, hierarchy).save(folder / "hierarchy.png")
        write_tree(checkpoint, folder / "tree")
    levels = [
        {"prototypes": number, **clustering_scores(prototype, labels(train))}
        for number, prototype in zip(
            hierarchy.num_prototypes, hierarchy.path(torch.arange(len(train))), strict=True
        )
    ]
    return {"seed": seed, "rows": rows, "levels": levels}


def configure(seed: int, work_dir: Path, options: Mapping[str, Any]) -> dict[str, Config]:
    """The config of each method, changed by the options that it knows."""
    cfgs = {}
    for name, method in METHODS.items():
        path = str(CONFIGS / f"{method}_r18_digits.py")
        cfg, changes, unknown = load_config_with_known(path, options)
        if unknown and name == "HCSC":
            raise next(iter(unknown.values()))
        cfg.work_dir, cfg.launcher = str(work_dir / method), "none"
        cfg.randomness.seed = seed
        cfg.experiment_name = f"{work_dir.name}_{method}"
        _keep_workers(cfg, changes)
        check_kept(cfg, changes, "--cfg-options ", "tools/quick_start.py")
        cfgs[name] = cfg
    return cfgs


def _keep_workers(cfg: Config, changes: Mapping[str, Any]) -> None:
    """Start no process in each of the short epochs, unless the command line has its own wish; no
    number changes.
    """
    loader, clustering = cfg.train_dataloader, cfg.default_hooks.get("clustering")
    if loader.num_workers and "train_dataloader.persistent_workers" not in changes:
        loader.persistent_workers = True
    if clustering and "default_hooks.clustering.num_workers" not in changes:
        clustering.num_workers = 0


def final_hierarchy(checkpoint: str) -> PrototypeHierarchy:
    """The tree of a run's final weights."""
    saved = saved_tree(load_data(checkpoint, map_location="cpu"), checkpoint, checkpoint)
    if saved is None:
        raise HCSCError(
            "the warm-up lasts as long as the run, so there is no hierarchy to look at; lower "
            "default_hooks.clustering.warmup_epochs"
        )
    return saved.hierarchy


def write_tree(checkpoint: str, folder: Path) -> None:
    """What tools/build_tree.py makes of the checkpoint."""
    embedder = load_embedder(checkpoint)
    images = open_dataset(embedder.training.dataset, embedder.name)
    options = BuildOptions(batch_size=256, num_workers=0, redo=True)
    build_tree(Sources(embedder, images), folder, options)
    write_page(folder, images, title="Handwritten digits", options=PageOptions(thumbnail_size=64))


def build_quietly(cfg: Config, name: str) -> Runner:
    """A runner whose log goes to its file, and whose progress goes to the console."""
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # mmengine prints its environment and the whole config while it builds
        runner = build_runner(cfg)
    for handler in runner.logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.setStream(sys.stderr)
            handler.setLevel(logging.ERROR)
    runner.register_hook(EpochLine(name))
    return runner


class EpochLine(Hook):
    """Progress on the console: one line that renews itself on a terminal, a line every tenth of the
    run elsewhere.
    """

    priority = "VERY_LOW"

    def __init__(self, name: str) -> None:
        self.name = name
        self.start = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        epoch, total = runner.epoch + 1, runner.max_epochs
        elapsed = time.perf_counter() - self.start
        loss = runner.message_hub.get_scalar("train/loss").mean(
            window_size=len(runner.train_dataloader)
        )
        line = (
            f"{self.name}: epoch {epoch}/{total}, loss {loss:.3f}, {elapsed:.0f} s, about "
            f"{elapsed / epoch * (total - epoch):.0f} s to go"
        )
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="\n" if epoch == total else "", flush=True)
        elif epoch % max(1, total // 10) == 0 or epoch == total:
            print(line, flush=True)


def evaluate(model: MomentumContrast, pipeline: list[dict], train: Digits, test: Digits) -> float:
    """kNN accuracy in percent of the query backbone's pooled features."""
    model.eval()
    features = [
        embed(lambda images: model.backbone(images)[-1].mean(dim=(2, 3)), model, split, pipeline)
        for split in (train, test)
    ]
    return knn_accuracy(*features, train, test)


def embed(
    encode: Callable[[Tensor], Tensor], model: MomentumContrast, split: Digits, pipeline: list[dict]
) -> Tensor:
    """(N, D) features of every scan of a split."""
    model.eval()
    loader = DataLoader(ExtractionView(split, pipeline), batch_size=256, collate_fn=default_collate)
    return extract_features(
        lambda images: encode(model.preprocess(images)), loader, len(split)
    ).cpu()


def pixels(split: Digits) -> Tensor:
    """(N, 64) grey values."""
    return torch.stack(
        [
            torch.from_numpy(split.get_data_info(index)["img"][..., 0]).float().flatten()
            for index in range(len(split))
        ]
    )


def labels(split: Digits) -> Tensor:
    return torch.tensor([split.get_data_info(index)["gt_label"] for index in range(len(split))])


def knn_accuracy(
    train_features: Tensor, test_features: Tensor, train: Digits, test: Digits
) -> float:
    predicted = knn_classify(train_features, labels(train), test_features, k=NEIGHBOURS)
    return 100 * float((predicted == labels(test)).float().mean())


def seconds_of(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def summarise(runs: list[dict], seconds: float) -> dict:
    """Means and standard deviations over seeds, and all single values."""
    features = {
        name: {
            key: mean_std([run["rows"][name][key] for run in runs])
            for key in ("knn", "seconds")
            if key in row
        }
        for name, row in runs[0]["rows"].items()
    }
    hierarchy = [
        {
            "prototypes": first["prototypes"],
            **{
                key: mean_std([run["levels"][level][key] for run in runs])
                for key in first
                if key != "prototypes"
            },
        }
        for level, first in enumerate(runs[0]["levels"])
    ]
    return {
        "protocol": (
            f"kNN accuracy in percent, weighted, k = {NEIGHBOURS}, temperature 0.07, cosine; 1437 "
            "digits to train on, 360 held out"
        ),
        "seeds": [run["seed"] for run in runs],
        "seconds": seconds,
        "features": features,
        "hierarchy": hierarchy,
        "versions": {
            "hcsc_mm": hcsc_mm.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def format_table(results: dict) -> str:
    """Markdown that also reads well on a console."""
    features = [
        [name, shown(row["knn"], 1), shown(row.get("seconds"), 0)]
        for name, row in results["features"].items()
    ]
    levels = [
        [
            f"level {index}, {level['prototypes']} prototypes",
            shown(level["ami"], 3),
            shown(level["purity"], 3),
        ]
        for index, level in enumerate(results["hierarchy"])
    ]
    seeds = ", ".join(map(str, results["seeds"]))
    lines = [
        f"{results['protocol']}; seed{'s' if len(results['seeds']) > 1 else ''} {seeds}",
        "",
        markdown_table(["features", "kNN accuracy, %", "training, s"], features),
        markdown_table(["HCSC's tree against the digit labels", "AMI", "purity"], levels),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
