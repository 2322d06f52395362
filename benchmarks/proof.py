"""The proof: a grid of methods on real images, in parts of any length; docs/results.md is made of
what has been run.

    python benchmarks/proof.py --data FOLDER [--scale cpu | ablations | gpu] [options of compare.py]

Images of the first two scales come from published files in FOLDER; ``benchmarks/proof_data.py``
says which. A data set that FOLDER lacks is left out of the run, with a line that says so, and keeps
its rows in the table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import no_collapse
from proof_data import prepare

from hcsc_mm.compare import Grid, cells_of, read_grid
from hcsc_mm.compare.cells import finished
from hcsc_mm.utils.files import write_text

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {
    "cpu": "configs/compare/proof.py",
    "ablations": "configs/compare/ablations.py",
    "gpu": "configs/compare/proof_gpu.py",
}
RESULTS = Path("docs/results")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scale",
        choices=GRIDS,
        default="cpu",
        help="methods, or options of HCSC, on two cores; or methods on one GPU",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data/published"), help="folder of published files"
    )
    parser.add_argument("--table", action="store_true", help="run nothing, write the page")
    args, further = parser.parse_known_args()
    code = 0
    if not args.table:
        if args.scale != "gpu":
            prepare(args.data, Path("data/proof"))
        code = run(args.scale, further)
    write_text(RESULTS.with_suffix(".md"), page())
    sys.exit(code)


def run(scale: str, further: Sequence[str]) -> int:
    """Go on with the cells of a grid whose images are there; returns compare.py's exit code."""
    grid = GRIDS[scale]
    out = RESULTS / Path(grid).stem
    only = [] if "--only" in further else ["--only", *with_images(read_grid(grid), scale)]
    command = [sys.executable, str(ROOT / "tools/compare.py"), grid, "--out", str(out)]
    done = subprocess.run([*command, *further, *only], stdout=subprocess.DEVNULL, check=False)
    return done.returncode


def with_images(grid: Grid, scale: str) -> list[str]:
    """Names of the data sets whose images are there; those of the GPU's are downloaded."""
    if scale == "gpu":
        return list(grid.data)
    there = {
        name: Path(entry.train.get("data_root", ".")).is_dir() for name, entry in grid.data.items()
    }
    for name in (name for name, found in there.items() if not found):
        print(f"{name} is left out: its images are not there", file=sys.stderr)
    return [name for name, found in there.items() if found]


def page(results: Path = RESULTS, grids: Mapping[str, str] = GRIDS) -> str:
    """The text of docs/results.md.

    Args:
        results: Folder of the grids' folders.
        grids: Scale → path of its grid.
    """
    parts = ["# Results", "", *INTRODUCTION.strip().splitlines(), ""]
    for path in grids.values():
        grid, out = read_grid(path), results / Path(path).stem
        cells = [found for cell in cells_of(grid) if (found := finished(cell, out, broken=True))]
        if not cells:
            parts += [f"# {grid.title}", "", "No cell has been run yet.", ""]
            continue
        table = out / "comparison.md"
        parts += [table.read_text(encoding="utf-8").strip(), "", *facts(cells), ""]
        parts += [f"![kNN and AMI of every method](results/{out.name}/comparison.png)", ""]
    parts += ["# Any folder", "", *ANY_FOLDER.strip().splitlines(), ""]
    parts.append(no_collapse.table(results / no_collapse.RESULTS.name))
    return "\n".join(parts).rstrip() + "\n"


def facts(cells: Sequence[dict[str, Any]]) -> list[str]:
    """When, where and of which code the cells are."""
    dates = sorted(cell["date"] for cell in cells)
    hours = sum(cell["seconds"] for cell in cells) / 3600
    return [
        f"{len(cells)} cells, {dates[0]} to {dates[-1]} UTC, {hours:.1f} hours of training; "
        f"commits {_listed(cell['commit'] for cell in cells)}; machines: "
        f"{_listed(cell['machine'] for cell in cells)}; torch "
        f"{_listed(cell['versions']['torch'] for cell in cells)}."
    ]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


INTRODUCTION = """
Made by `make proof DATA=folder` (`benchmarks/proof.py`), which goes on where it was stopped;
nothing is edited by hand, and no cell is left out. Every method has the data set's network, views,
batch and steps, and all that the config of its data says; means ± standard deviations of the sample
over the seeds. No value was chosen by a score on test images.

- `start`: the weights at the start, untrained or trained on ImageNet.
- `kNN`: of held-out images, among the training images unless the note says otherwise.
- `features …`: a tree that hierarchical k-means makes of the backbone's features; AMI with the
  classes, and the coarse classes, of the training images. The same for every method.
- `own …`: the method's own clusters, of its last clustering. `0_60`: the finest level, 60 clusters.
- `flat`, `ward`: k-means at one K, and Ward's agglomerative clustering (scikit-learn, up to 8,000
  images), of the features of the start and of MoCo v2.
- `difference`: one method minus another with the same seed; its spread says what the table
  supports.
- `seconds`: of training; two cores that may have had other work.
"""

ANY_FOLDER = """
`configs/hcsc_folder.py` with nothing but the folder changed: `python benchmarks/no_collapse.py`.
One value per seed: the standard deviation of the embeddings as a share of an even one's, the number
of directions that they fill, and the minutes of what the start of the log announced. *good*: a
spread above 0.3 and more than 20 % of the directions that the network or the number of images
allows; *stopped*: the run has stopped itself as its embeddings collapsed.
"""

if __name__ == "__main__":
    main()
