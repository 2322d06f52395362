"""The proof: a grid of methods on real images, in parts of any length; docs/results.md is made of
what has been run.

    python benchmarks/proof.py --data FOLDER [--scale SCALE] [options of compare.py]

Images of all scales but the GPU's come from published files in FOLDER; ``benchmarks/proof_data.py``
says which. A data set that FOLDER lacks is left out of the run, with a line that says so, and keeps
its rows in the table. Several calls at once, also on several machines with one folder, share the
cells.
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
from proof_summary import against_peers, methods_block, readme_block, write_block

from hcsc_mm.compare import Grid, read_grid, save_comparison
from hcsc_mm.compare.cells import collect
from hcsc_mm.compare.table import Results, markdown, summarise
from hcsc_mm.errors import HCSCError
from hcsc_mm.runtime.error_reports import one_line_errors
from hcsc_mm.utils.files import write_text
from hcsc_mm.utils.locks import held

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {
    "cpu": "configs/compare/proof.py",
    "neighbours": "configs/compare/neighbours.py",
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
        help="on two cores HCSC and its peers, its neighbours, or its options; or peers on a GPU",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data/published"), help="folder of published files"
    )
    parser.add_argument("--table", action="store_true", help="run nothing, write the page")
    parser.add_argument(
        "--readme",
        action="store_true",
        help="run nothing, write the page and the tables of the README and of docs/methods.md",
    )
    args, further = parser.parse_known_args()
    code = 0
    with one_line_errors("interrupted; the same command goes on"):
        if not (args.table or args.readme):
            if args.scale != "gpu":
                prepare_alone(args.data, Path("data/proof"))
            code = run(args.scale, further)
        with held(RESULTS / ".lock", seconds=300) as ours:
            if not ours:
                raise HCSCError(f"another process writes {RESULTS}.md; --table writes it anew")
            all_results = read_all()
            write_text(RESULTS.with_suffix(".md"), page(all_results))
            if args.readme:
                write_block(readme_block(*all_results["cpu"]), Path("README.md"))
                write_block(methods_block(*all_results["neighbours"]), Path("docs/methods.md"))
    sys.exit(code)


def prepare_alone(data: Path, out: Path) -> None:
    """Write the images, once for several calls that begin together.

    Args:
        data: Folder of published files.
        out: Where images go.

    Raises:
        HCSCError: another call has been at it for an hour.
    """
    with held(out / ".lock", seconds=3600) as ours:
        if not ours:
            raise HCSCError(f"another process has been writing images to {out} for an hour")
        prepare(data, out)


def run(scale: str, further: Sequence[str]) -> int:
    """Go on with the cells of a grid whose images are there; returns compare.py's exit code."""
    grid = GRIDS[scale]
    out, *others = folders(scale)
    only = [] if "--only" in further else ["--only", *with_images(read_grid(grid), scale)]
    command = [sys.executable, str(ROOT / "tools/compare.py"), grid, "--out", str(out)]
    command += ["--others", *map(str, others)]
    done = subprocess.run([*command, *further, *only], stdout=subprocess.DEVNULL, check=False)
    return done.returncode


def folders(
    scale: str, folder: Path = RESULTS, grids: Mapping[str, str] = GRIDS
) -> tuple[Path, ...]:
    """Where results of a scale lie: its own folder, and those of the other scales, which may have
    run a cell before.

    Args:
        scale: Key of ``grids``.
        folder, grids: As in :func:`read_all`.
    """
    ordered = (scale, *(other for other in grids if other != scale))
    return tuple(folder / Path(grids[name]).stem for name in ordered)


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


def read_all(
    folder: Path = RESULTS, grids: Mapping[str, str] = GRIDS
) -> dict[str, tuple[Grid, Results]]:
    """Scale → its grid and what has been run of it, whose tables and picture are made anew.

    Args:
        folder: Folder of the grids' folders.
        grids: Scale → path of its grid.
    """
    found = {}
    for scale, path in grids.items():
        grid = read_grid(path)
        out, *others = folders(scale, folder, grids)
        found[scale] = grid, collect(grid, out, others)
        if found[scale][1]:
            save_comparison(*found[scale], out)
    return found


def page(
    all_results: Mapping[str, tuple[Grid, Results]],
    folder: Path = RESULTS,
    grids: Mapping[str, str] = GRIDS,
) -> str:
    """The text of docs/results.md.

    Args:
        all_results: What :func:`read_all` gave.
        folder, grids: As there.
    """
    parts = ["# Results", "", *INTRODUCTION.strip().splitlines(), ""]
    if "cpu" in all_results:
        parts += [*against_peers(*all_results["cpu"])]
    for scale, (grid, results) in all_results.items():
        cells = [cell for methods in results.values() for of in methods.values() for cell in of]
        if not cells:
            parts += [f"# {grid.title}", "", "No cell has been run yet.", ""]
            continue
        parts += [markdown(grid, summarise(grid, results), results).strip(), "", *facts(cells), ""]
        picture = f"results/{Path(grids[scale]).stem}/comparison.png"
        parts += [f"![kNN and AMI of every method]({picture})", ""]
    parts += ["# Any folder", "", *ANY_FOLDER.strip().splitlines(), ""]
    parts.append(no_collapse.table(folder / no_collapse.RESULTS.name))
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

- `start`: the weights at the start, untrained or trained on ImageNet. `mocov2`, `pclv2`, `swav`:
  the peers. `hcsc_released`, `hcsc_paper`: HCSC with the rule of its released code, and of its
  paper ([fidelity.md](fidelity.md)). The neighbours are those of [methods.md](methods.md).
- `kNN`: accuracy on held-out images by their neighbours among the training images, unless the note
  says otherwise. `linear`: of logistic regression.
- `AMI`: adjusted mutual information of a level's clusters with the classes of the training images
  (1: the same, 0: chance), `coarse` with the coarse classes. The tree is made by hierarchical
  k-means of the backbone's features, for every method alike. `dendrogram purity`: of two images of
  one class, the share of that class in the smallest node that has both, on average.
- The method's own clusters: those that HCSC has trained with. Yardsticks: k-means at one K
  (`flat`), and Ward's agglomerative clustering (scikit-learn, up to 8,000 images).
- `difference`: one method minus another with the same seed; in bold, what the seeds support. A
  seed is the same draw on machines of one kind only ([faults.md](faults.md)), and older cells do
  not say what kind theirs was.
- `seconds`: of training, the median of the seeds, on two cores that had other work besides; some
  runs were paused. They compare nothing.
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
