"""``configs/hcsc_folder.py``, untouched but for the folder, on collections of several kinds.

    python benchmarks/no_collapse.py --data FOLDER [--only NAME …] [--seeds 0 1 2] [--minutes M]

FOLDER holds the published files that ``benchmarks/proof_data.py`` lists, and
dsb2018/dsb2018_tiny.tar. Each run's outcome is a file in docs/results/no_collapse; finished ones
are not run again, and one that was stopped goes on. ``make proof`` puts the table on
docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from proof_data import prepare

from hcsc_mm.utils.files import write_text
from hcsc_mm.utils.tables import markdown_table

RESULTS = Path("docs/results/no_collapse")
LEAST_SPREAD, LEAST_RANK_SHARE = 0.3, 0.2
PHOTOS = Path("data/proof")
FOLDERS = Path("data/no_collapse")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/published"))
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="begin no run after so many minutes")
    args = parser.parse_args()
    prepare(args.data, PHOTOS)
    begun = time.monotonic()
    for seed in args.seeds:
        for name in args.only:
            if args.minutes is not None and time.monotonic() - begun > 60 * args.minutes:
                sys.exit("the rest is left for another time; the same command goes on")
            path = RESULTS / f"{name}-{seed}.json"
            if not path.is_file():
                print(f"=== {name}, seed {seed}", file=sys.stderr, flush=True)
                found = run(name, folder_of(name, args.data), seed)
                write_text(path, json.dumps(found, indent=1) + "\n")
    print(table())


def run(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Train as a new user would; what the log says of it."""
    work = Path("work_dirs/no_collapse") / f"{name}-{seed}"
    options = [f"data_root={folder}", f"randomness.seed={seed}"]
    command = [sys.executable, "tools/train.py", "configs/hcsc_folder.py", "--work-dir", str(work)]
    begun = time.monotonic()
    done = subprocess.run(
        [*command, "--resume", "--cfg-options", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode in (-2, -15, 75, 130):
        sys.exit("interrupted; the same command goes on")
    seconds = time.monotonic() - begun
    found = {"name": name, "seed": seed, "exit_code": done.returncode, "seconds": seconds}
    found |= read_log(done.stdout)
    if done.returncode == 0:
        shutil.rmtree(work)
    return found


def read_log(text: str) -> dict[str, Any]:
    """Images, the time that the recipe announced, spread and rank at the end, and the verdict."""
    images = re.search(r"a recipe for ([\d,]+) images", text)
    announced = re.search(r"will take at most about ([^:]+):", text)
    health = re.findall(r"spread ([\d.]+)[,;] rank (\d+) of (\d+)", text)
    collapse = re.search(r"Collapse in epoch [^\n]*", text)
    found: dict[str, Any] = {
        "images": int(images[1].replace(",", "")) if images else None,
        "announced": announced[1] if announced else None,
        "collapse": collapse[0] if collapse else None,
    }
    if health:
        spread, rank, of = health[-1]
        found |= {"spread": float(spread), "rank": int(rank), "of": int(of)}
    return found


def table(results: Path = RESULTS) -> str:
    """A row for each collection, all of its seeds in it; and those that have not been run."""
    rows, missing = [], []
    for name in SETS:
        cells = [json.loads(path.read_text()) for path in sorted(results.glob(f"{name}-*.json"))]
        if not cells:
            missing.append(name)
            continue
        rows.append(
            [
                name,
                f"{cells[0]['images']:,}",
                _listed(str(cell["seed"]) for cell in cells),
                _listed(f"{cell['spread']:.2f}" for cell in cells if "spread" in cell),
                _listed(f"{cell['rank']} of {cell['of']}" for cell in cells if "rank" in cell),
                _listed(f"{cell['seconds'] / 60:.0f} of {cell['announced']}" for cell in cells),
                _listed(_verdict(cell) for cell in cells),
            ]
        )
    heads = ["collection", "images", "seeds", "spread", "rank", "minutes of announced", "verdict"]
    text = markdown_table(heads, rows) + "\n" if rows else ""
    return text + (f"Not run yet: {', '.join(missing)}.\n" if missing else "")


def _verdict(cell: dict[str, Any]) -> str:
    if cell["exit_code"] != 0 or "spread" not in cell:
        return "stopped" if cell["collapse"] else f"exit code {cell['exit_code']}"
    least_rank = LEAST_RANK_SHARE * min(cell["of"], cell["images"])
    good = cell["spread"] > LEAST_SPREAD and cell["rank"] > least_rank
    return "good" if good else "poor"


def _listed(values: Iterator[str]) -> str:
    return ", ".join(values)


def folder_of(name: str, data: Path) -> Path:
    """The collection's folder, made on the first call.

    Raises:
        SystemExit: what it is made of is not there.
    """
    make = SETS[name]
    if isinstance(make, str):
        folder = PHOTOS / make / "train"
        if not folder.is_dir():
            sys.exit(f"{folder} is not there; give the published files with --data")
        return folder
    folder = FOLDERS / name
    if not folder.is_dir():
        building = FOLDERS / f"{name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        make(building, data)
        building.rename(folder)
    return folder


def _listed_images(name: str) -> list[tuple[Path, str]]:
    """Path and class of the training images of a data set, in the order of its list."""
    root = PHOTOS / name
    lines = (root / "train.txt").read_text(encoding="utf-8").splitlines()
    return [(root / path, label) for path, label, *_ in (line.split(", ") for line in lines)]


def _copy(images: list[Path], folder: Path) -> None:
    for index, path in enumerate(images):
        shutil.copy(path, folder / f"{index:05}{path.suffix}")


def nuclei(folder: Path, data: Path) -> None:
    """The 120 training images of a part of DSB 2018."""
    with tarfile.open(data / "dsb2018/dsb2018_tiny.tar") as archive:
        members = [one for one in archive.getmembers() if "images/train" in one.name]
        archive.extractall(folder, members=members, filter="data")


def two_hundred(folder: Path, data: Path) -> None:
    """Every thirteenth of Grocery's."""
    _copy([path for path, _ in _listed_images("grocery")][::13][:200], folder)


def forty(folder: Path, data: Path) -> None:
    """Every thirty-second of the coins."""
    _copy([path for path, _ in _listed_images("coins")][::32][:40], folder)


def nine_of_ten(folder: Path, data: Path) -> None:
    """900 shirts (Fashion-MNIST's class 0) among 1,000 images."""
    images = _listed_images("fashion-mnist")
    shirts = [path for path, label in images if label == "0"][:900]
    _copy([*shirts, *[path for path, label in images if label != "0"][:100]], folder)


def grey(folder: Path, data: Path) -> None:
    """300 of Grocery's photographs without their colours."""
    for index, (path, _) in enumerate(_listed_images("grocery")[::8][:300]):
        Image.open(path).convert("L").save(folder / f"{index:05}.png")


SETS: dict[str, str | Callable[[Path, Path], None]] = {
    "grocery": "grocery",
    "coins": "coins",
    "fashion": "fashion-mnist",
    "omniglot": "omniglot",
    "nuclei": nuclei,
    "two_hundred": two_hundred,
    "forty": forty,
    "nine_of_ten": nine_of_ten,
    "grey": grey,
}

if __name__ == "__main__":
    main()
