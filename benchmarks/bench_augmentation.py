"""Augmentation on the device: are its views those of the CPU, and how many images a second?"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import cv2
import torch
from bench_input import BATCH_SIZE, _load, _photographs, _rate
from measure import Row, absolute, in_turns, more, seconds
from mmengine.registry import DefaultScope

from hcsc_mm.models.data_preprocessors.view_parameters import draw_parameters

PHOTOGRAPHS = {"tiny": 4, "small": 32, "large": 256}
LEVELS = 1.0  # mean difference of a view's pixels in levels of 255, at most: the plain way rounds


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """The views of ``hcsc_r50_devaug_200e_in1k.py`` on the device, and the plain pipeline of
    ``hcsc_r50_200e_in1k.py`` on all cores of the machine, reckoned from one.
    """
    cv2.setNumThreads(0)
    number = PHOTOGRAPHS[scale]
    with (
        tempfile.TemporaryDirectory() as folder,
        DefaultScope.overwrite_default_scope("mmpretrain"),
    ):
        paths = _photographs(Path(folder), number, None)
        augmented, plain = _load("hcsc_r50_devaug_200e_in1k"), _load("hcsc_r50_200e_in1k")
        samples = [{"img_path": path, "sample_idx": i} for i, path in enumerate(paths)]
        batch = augmented["collate"]([augmented["pipeline"](sample) for sample in samples])
        preprocess = augmented["preprocess"]
        difference = _difference(preprocess, batch["inputs"], device)
        preprocess = preprocess.to(device)
        preprocess(batch, True)  # warm up
        contenders = {
            "views": lambda: number / seconds(lambda: preprocess(batch, True), device),
            "workers": lambda: _rate(augmented, paths[:BATCH_SIZE], whole=False),
            "plain": lambda: _rate(plain, paths[:BATCH_SIZE], whole=True),
        }
        rates = in_turns(contenders, repeats)
    cores = os.cpu_count() or 1
    theirs = [cores * rate for rate in rates["plain"]]
    whole = [
        min(views, cores * workers)
        for views, workers in zip(rates["views"], rates["workers"], strict=True)
    ]
    return [
        absolute(
            "views on the device, mean difference to the CPU's, of 255", [difference], LEVELS, ""
        ),
        more(
            "two views an image on the device : plain pipeline, all cores",
            rates["views"],
            theirs,
            None,
            "images/s",
        ),
        more(
            "the slower of workers and views : the same",
            whole,
            theirs,
            3.0 if torch.device(device).type == "cuda" else None,
            "images/s",
        ),
    ]


def _difference(preprocess, inputs: dict, device: str) -> float:
    """Mean over pixels, in levels of 255, of the views with the same parameters; the preprocessor
    is on the CPU, and is moved.
    """
    torch.manual_seed(0)
    parameters = [draw_parameters(recipe, inputs["sizes"]) for recipe in preprocess.views]
    expected = preprocess.make_views(inputs["images"], parameters)
    there = preprocess.to(device).make_views(inputs["images"].to(device), parameters)
    std = preprocess.std.cpu()
    gaps = [((a - b.cpu()) * std).abs().mean() for a, b in zip(expected, there, strict=True)]
    return float(torch.stack(gaps).mean())
