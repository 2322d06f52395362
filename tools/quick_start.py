#!/usr/bin/env python
"""See HCSC learn on handwritten digits: ``python tools/quick_start.py [--seeds 3]``.

Trains the same small network as MoCo v2 (no hierarchy) and as HCSC for the same number of steps,
and compares their features on held-out digits with raw pixels and with the untrained network. Every
number of the table is measured in this run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import sys
import time
from pathlib import Path

try:
    import hcsc_mm
    from hcsc_mm import HCSCError
except ImportError as error:
    sys.exit(
        f"error: {error}"
        if type(error).__name__ == "DependencyError"
        else f"error: {error}; run: pip install -e ."
    )

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader

from hcsc_mm.datasets import Digits, ExtractionView
from hcsc_mm.evaluation import clustering_scores, extract_features, knn_classify
from hcsc_mm.runtime.configs import OptionsAction, check_kept
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.runtime.launch import build_runner, load_changed_config
from hcsc_mm.visualization import draw_hierarchy

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "hcsc_r18_digits.py"
NEIGHBOURS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, default=1, help="repeat with so many seeds, and print means and spread"
    )
    parser.add_argument(
        "--work-dir",
        default="work_dirs/quick_start",
        help="folder for the table, the picture, logs and checkpoints",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=OptionsAction,
        metavar="KEY=VALUE",
        help="change entries of the config",
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
            write(folder / "results.json", json.dumps(results, indent=2) + "\n")
        table = format_table(results)
        write(folder / "table.md", table)
        print(
            f"\n{table}\nwritten to {folder}: results.json, table.md, hierarchy.png; took "
            f"{results['seconds']:.0f} s"
        )


def compare(seed: int, folder: Path, options: dict) -> dict:
    """All rows of the table for one seed; the first seed also draws the picture."""
    train, test = Digits(split="train", pipeline=[]), Digits(split="test", pipeline=[])
    cfg = configure(seed, folder / f"seed{seed}" / "hcsc", options)
    pipeline = cfg.default_hooks.clustering.pipeline
    rows = {"raw pixels": {"knn": knn_accuracy(pixels(train), pixels(test), train, test)}}

    moco_cfg = configure(seed, folder / f"seed{seed}" / "moco_v2", options)
    moco_cfg.default_hooks.clustering = None  # no hierarchy, ever: this is MoCo v2
    runner = build_quietly(moco_cfg, f"seed {seed}: MoCo v2")
    runner.model.init_weights()
    rows["untrained"] = {"knn": evaluate(runner.model, pipeline, train, test)}
    rows["MoCo v2"] = {
        "seconds": seconds_of(runner.train),
        "knn": evaluate(runner.model, pipeline, train, test),
    }

    runner = build_quietly(cfg, f"seed {seed}: HCSC")
    rows["HCSC"] = {
        "seconds": seconds_of(runner.train),
        "knn": evaluate(runner.model, pipeline, train, test),
    }
    hierarchy = runner.model.hierarchy
    if hierarchy is None:
        raise HCSCError(
            "the warm-up lasts as long as the run, so there is no hierarchy to look at; lower "
            "default_hooks.clustering.warmup_epochs"
        )
    path = hierarchy.path(torch.arange(len(train)))
    levels = [
        {"prototypes": number, **clustering_scores(prototype.cpu(), labels(train))}
        for number, prototype in zip(hierarchy.num_prototypes, path, strict=True)
    ]
    if seed == 0:
        scans = [train.get_data_info(index)["img"] for index in range(len(train))]
        draw_hierarchy(
            scans, embed(runner.model.encode_key, runner.model, train, pipeline), hierarchy
        ).save(folder / "hierarchy.png")
    return {"seed": seed, "rows": rows, "levels": levels}


def configure(seed: int, work_dir: Path, options: dict) -> Config:
    cfg, changes = load_changed_config(str(CONFIG), options)
    cfg.work_dir, cfg.launcher = str(work_dir), "none"
    cfg.randomness.seed = seed
    cfg.experiment_name = f"{work_dir.parent.name}_{work_dir.name}"
    check_kept(cfg, changes, "--cfg-options ", "tools/quick_start.py")
    return cfg


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


def evaluate(
    model: hcsc_mm.models.HCSC, pipeline: list[dict], train: Digits, test: Digits
) -> float:
    """kNN accuracy in percent of the query backbone's pooled features."""
    model.eval()
    features = [
        embed(lambda images: model.backbone(images)[-1].mean(dim=(2, 3)), model, split, pipeline)
        for split in (train, test)
    ]
    return knn_accuracy(*features, train, test)


def embed(encode, model: hcsc_mm.models.HCSC, split: Digits, pipeline: list[dict]) -> Tensor:
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
    table = {}
    for name in runs[0]["rows"]:
        values = [run["rows"][name]["knn"] for run in runs]
        table[name] = {
            "knn_accuracy_percent": mean_and_spread(values),
            "knn_accuracy_percent_per_seed": values,
        }
        if "seconds" in runs[0]["rows"][name]:
            table[name]["seconds"] = mean_and_spread([run["rows"][name]["seconds"] for run in runs])
    levels = [
        {
            key: value
            if key == "prototypes"
            else mean_and_spread([run["levels"][level][key] for run in runs])
            for key, value in first.items()
        }
        for level, first in enumerate(runs[0]["levels"])
    ]
    return {
        "protocol": (
            f"weighted kNN, k = {NEIGHBOURS}, temperature 0.07, cosine; 1437 digits to "
            "train on, "
            "360 held out"
        ),
        "seeds": [run["seed"] for run in runs],
        "seconds": seconds,
        "features": table,
        "hierarchy": levels,
        "versions": {
            "hcsc_mm": hcsc_mm.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def mean_and_spread(values: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else 0.0,
    }


def format_table(results: dict) -> str:
    """Markdown that also reads well on a console."""
    several = len(results["seeds"]) > 1

    def show(value: dict[str, float], digits: int) -> str:
        return f"{value['mean']:.{digits}f}" + (f" ± {value['std']:.{digits}f}" if several else "")

    seeds = ", ".join(map(str, results["seeds"]))
    lines = [f"{results['protocol']}; seed{'s' if several else ''} {seeds}", ""]
    lines += [
        "| features   | kNN accuracy, %  | training, s  |",
        "|------------|------------------|--------------|",
    ]
    for name, row in results["features"].items():
        seconds = show(row["seconds"], 0) if "seconds" in row else "–"
        lines.append(f"| {name:<10} | {show(row['knn_accuracy_percent'], 1):<16} | {seconds:<12} |")
    lines += [
        "",
        "| HCSC's hierarchy against the digit labels | AMI             | purity          |",
    ]
    lines += ["|-------------------------------------------|-----------------|-----------------|"]
    for index, level in enumerate(results["hierarchy"]):
        name = f"level {index + 1}, {level['prototypes']} prototypes"
        lines.append(
            f"| {name:<41} | {show(level['ami'], 3):<15} | {show(level['purity'], 3):<15} |"
        )
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    aside = path.with_suffix(path.suffix + ".tmp")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


if __name__ == "__main__":
    main()
