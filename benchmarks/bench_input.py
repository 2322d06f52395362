"""Images per second of the input: the loader worker's part, the device's part, and the whole, on
one core.

The yardstick is the released code's pipeline (torchvision on PIL images).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from measure import Row, in_turns, more
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS, TRANSFORMS
from PIL import Image
from yardsticks import input as yardstick

import hcsc_mm
from hcsc_mm.datasets import ImageMemory
from hcsc_mm.datasets.transforms.load_image import MEMORY_KEY

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
BATCH_SIZE = 32
NUM_PHOTOGRAPHS = {"tiny": 2, "small": 64, "large": 320}
SIZE = (500, 375)
VIEW_SIZES = (64, 96)  # of small networks on a CPU


def rows(scale: str, repeats: int, device: str, photographs: str | None = None) -> list[Row]:
    """One thread, whatever the device; the photographs are of one folder, or made.

    Args:
        scale: 'small' or 'large', the number of photographs.
        repeats: Turns, of which the median counts.
        device: Not used: the loader's part runs on the CPU.
        photographs: Folder of photographs, cut to 3 : 4 and resized to 500 × 375; by default they
            are made of coloured noise.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        DefaultScope.overwrite_default_scope("mmpretrain"),
    ):
        paths = _photographs(Path(folder), NUM_PHOTOGRAPHS[scale], photographs)
        augmented, plain = _load("hcsc_r50_devaug_200e_in1k"), _load("hcsc_r50_200e_in1k")
        contenders: dict[str, Callable[[], float]] = {
            "workers": lambda: _rate(augmented, paths, whole=False),
            "whole": lambda: _rate(augmented, paths, whole=True),
            "plain": lambda: _rate(plain, paths, whole=True),
            "yardstick": lambda: _timed(lambda: yardstick.run(paths, BATCH_SIZE)),
            **_memory_contenders(paths),
        }
        in_turns(contenders, 1)  # warm up: files in the page cache, kernels loaded
        rates = in_turns(contenders, repeats)
    torch.set_num_threads(threads)
    unit = "images/s"
    return [
        more(
            "input, workers' part of the device pipeline : torchvision's two crops",
            rates["workers"],
            rates["yardstick"],
            5.0,
            unit,
        ),
        more(
            "input, the whole device pipeline on the CPU : the same",
            rates["whole"],
            rates["yardstick"],
            1.3,
            unit,
        ),
        more(
            "input, the plain pipeline : the same", rates["plain"], rates["yardstick"], None, unit
        ),
        *(
            more(
                f"input, the plain pipeline at {size} pixels, images in memory : decoded each time",
                rates[f"kept {size}"],
                rates[f"decoded {size}"],
                1.0,
                unit,
            )
            for size in VIEW_SIZES
        ),
    ]


def _memory_contenders(paths: list[str]) -> dict[str, Callable[[], float]]:
    """The plain pipeline with small views, on files and on an ImageMemory with all images."""
    contenders: dict[str, Callable[[], float]] = {}
    for size in VIEW_SIZES:
        parts = _load("hcsc_r50_200e_in1k", size)
        memory = ImageMemory(paths, budget_mb=1024, short_side=round(2.2 * size))
        contenders[f"decoded {size}"] = lambda parts=parts: _rate(parts, paths, whole=False)
        contenders[f"kept {size}"] = lambda parts=parts, memory=memory: _rate(
            parts, paths, whole=False, memory=memory
        )
    return contenders


def _load(name: str, size: int | None = None) -> dict:
    """A config's pipeline, with views of another size if one is given, collation and preprocessor,
    ready to run.
    """
    config = Config.fromfile(CONFIGS / f"{name}.py")
    loader = config.train_dataloader
    if size is not None:
        for step in loader.dataset.pipeline:
            for crop in step.get("transforms", ()):
                crop[0].scale = size
    return {
        "pipeline": Compose([TRANSFORMS.build(step) for step in loader.dataset.pipeline]),
        "collate": hcsc_mm.datasets.pad_collate
        if loader.collate_fn.type == "hcsc_mm.pad_collate"
        else default_collate,
        "preprocess": MODELS.build(config.model.data_preprocessor),
    }


def _rate(parts: dict, paths: list[str], whole: bool, memory: ImageMemory | None = None) -> float:
    """Images per second of the worker's part, or of that and the preprocessor."""
    kept = {} if memory is None else {MEMORY_KEY: memory}

    def run() -> int:
        for start in range(0, len(paths), BATCH_SIZE):
            samples = [
                {"img_path": path, "sample_idx": start + row, **kept}
                for row, path in enumerate(paths[start : start + BATCH_SIZE])
            ]
            batch = parts["collate"]([parts["pipeline"](sample) for sample in samples])
            if whole:
                parts["preprocess"](batch, True)
        return len(paths)

    return _timed(run)


def _timed(run: Callable[[], int]) -> float:
    """Images per second of processor time: all of it is one thread, and what else the machine does
    should not count.
    """
    start = time.process_time()
    return run() / (time.process_time() - start)


def _photographs(folder: Path, number: int, source: str | None) -> list[str]:
    """JPEG files of 500 × 375 pixels, quality 90; the made ones have 114 kB, about as much as
    ImageNet's on average.
    """
    known = (
        sorted(
            path
            for path in Path(source).rglob("*")
            if path.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        if source
        else []
    )
    if source and not known:
        raise SystemExit(f"error: no JPEG or PNG under {source}; leave out --photographs")
    paths = []
    for index in range(number):
        image = _cut(Image.open(known[index % len(known)])) if known else _noise(index)
        image.save(folder / f"{index}.jpg", quality=90)
        paths.append(str(folder / f"{index}.jpg"))
    return paths


def _cut(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width < height:
        image, (width, height) = image.transpose(Image.Transpose.ROTATE_90), (height, width)
    inner = (min(width, height * SIZE[0] / SIZE[1]), min(height, width * SIZE[1] / SIZE[0]))
    left, top = (width - inner[0]) / 2, (height - inner[1]) / 2
    return image.convert("RGB").resize(
        SIZE, Image.Resampling.BICUBIC, box=(left, top, left + inner[0], top + inner[1])
    )


def _noise(seed: int) -> Image.Image:
    """Noise with the 1/f spectrum of natural images, so that JPEG compresses it as it compresses
    photographs.
    """
    width, height = SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.standard_normal((3, height, width))) / frequency
    spectrum[:, 0, 0] = 0
    planes = np.fft.irfft2(spectrum, s=(height, width))
    # Colours follow the brightness
    planes = (
        planes[:1] + 0.4 * planes[1:].take([0, 1, 0], axis=0) * np.array([1, 1, -1])[:, None, None]
    )
    return Image.fromarray(
        (128 + 45 * planes / planes.std()).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    )
