"""What the page of a made collection costs: to write, on disk, and in a browser.

    python benchmarks/page.py --images 100000 --out /tmp/tree
    python benchmarks/page.py --images 1000000 --out /tmp/tree

Needs playwright and a Chromium. Views are opened one after the other in the same tab; memory is
that of the tab's process without what it shares with others (USS).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from browser import chromium
from made_tree import MadeImages, make_tree

from hcsc_mm.explore.page import PageOptions, write_page

# A leaf of about 330 images at any size, three levels.
_LEAF, _BRANCHES = 333, (3, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--size", type=int, default=32, help="pixels of images and thumbnails")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder; if it is there, it is opened only"
    )
    parser.add_argument("--keep", action="store_true", help="do not delete the folder afterwards")
    args = parser.parse_args()
    facts = {} if args.out.exists() else build(args)
    for cold in (True, False):
        facts["cold" if cold else "warm"] = browse(args.out, cold)
    print(json.dumps(facts, indent=1))
    if not args.keep:
        shutil.rmtree(args.out)


def build(args: argparse.Namespace) -> dict:
    """Make the collection, write its page."""
    args.out.mkdir()
    fine = max(4, args.images // _LEAF)
    numbers = (fine, max(3, fine // _BRANCHES[0]), max(2, fine // _BRANCHES[0] // _BRANCHES[1]))
    prototypes = make_tree(args.out, args.images, numbers, dim=args.dim)
    images = MadeImages(prototypes, args.size)
    memory = PeakMemory()
    start = time.perf_counter()
    write_page(args.out, images, options=PageOptions(thumbnail_size=args.size))
    seconds = time.perf_counter() - start
    sizes = {}
    for folder in sorted((args.out / "page/data").iterdir()):
        paths = list(folder.iterdir()) if folder.is_dir() else [folder]
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        sizes[folder.name] = {"files": len(paths), "MB": round(megabytes, 1)}
    return {
        "images": args.images,
        "prototypes": numbers,
        "write_s": round(seconds, 1),
        "write_peak_MB": memory.stop(),
        "on_disk": sizes,
    }


class PeakMemory(threading.Thread):
    """Largest sum of the anonymous memory of this process and its children, above the start: what
    processes share counts once, what the system keeps of files in memory not at all.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._start = self._peak = _anonymous(os.getpid())
        self._running = True
        self.start()

    def run(self) -> None:
        while self._running:
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            total = sum(_anonymous(pid) for pid in (os.getpid(), *map(int, children)))
            self._peak = max(self._peak, total)
            time.sleep(0.2)

    def stop(self) -> int:
        self._running = False
        self.join()
        return round((self._peak - self._start) / 1e6)


def _anonymous(pid: int) -> int:
    return _kilobytes(pid, "Pss_Anon:") * 1024


def _kilobytes(pid: int, name: str) -> int:
    """Of a process's memory of one kind, or of all kinds whose name begins so; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def browse(tree: Path, cold: bool) -> dict:
    """Open the page in a new browser, then view after view."""
    if cold:
        forget_files(tree)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        devtools = browser.new_browser_cdp_session()
        page.goto((tree / "index.html").resolve().as_uri())
        page.wait_for_function("performance.getEntriesByName('drawn').length > 0")
        first = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
        tab = Tab(page, devtools)
        results = {"first view": {"ms": round(first), **tab.memory()}}
        for name, script in VIEWS.items():
            results[name] = {"ms": tab.time(script), **tab.memory()}
        return results


# Each is run in the page and ends when the view is drawn.
VIEWS = {
    "coarse node": "await open(0)",
    "middle node": "await open(0)",
    "leaf": "await open(0)",
    "image, most similar": "await show({image: treePage.node.start + 5})",
    "root as images, last page": """
        await show({trail: [], image: null});
        await show({show: 'images', page: Math.ceil(treePage.summary.numPlaced / 120) - 1})""",
    "20 nodes": """
        for (let i = 0; i < 20; i += 1) {
          await show({trail: [], show: 'tree', page: 0});
          await open(i % treePage.node.children.length); await open(0); await open(0);
        }""",
    "search: beginning of a name": "await search('image_0000123')",
    "search: anywhere": "await search('f_3/image_00004')",
    "search: nothing": "await search('no such name')",
}
_PRELUDE = """
    const show = async (changes) => {
      await treePage.go(changes);
      await treePage.thumbs.settled();
      treePage.node = await treePage.data.node(treePage.state.trail);
    };
    const open = async (i) => {
      treePage.node = await treePage.data.node(treePage.state.trail);
      await show({trail: [...treePage.state.trail, treePage.node.children[i].id], page: 0});
    };
    const search = async (query) => {
      await treePage.go({query, image: null});
      while (!document.querySelector('.found')?.textContent
             || document.querySelector('.results progress')) {
        await new Promise(requestAnimationFrame);
      }
      await treePage.thumbs.settled();
    };
"""


class Tab:
    """A page and the process that runs it."""

    def __init__(self, page, devtools) -> None:
        self._page, self._devtools = page, devtools
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")

    def time(self, script: str) -> int:
        return round(
            self._page.evaluate(
                f"""async () => {{ {_PRELUDE}
                const start = performance.now();
                {script};
                await new Promise(requestAnimationFrame);
                return performance.now() - start; }}"""
            )
        )

    def memory(self) -> dict:
        processes = self._devtools.send("SystemInfo.getProcessInfo")["processInfo"]
        tabs = [process["id"] for process in processes if process["type"] == "renderer"]
        private = [1024 * _kilobytes(pid, "Private_") for pid in tabs]
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        heap = next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")
        return {"tab_MB": round(max(private) / 1e6), "js_MB": round(heap / 1e6, 1)}


def forget_files(tree: Path) -> None:
    """Have the system drop what it keeps of the files in memory."""
    os.sync()
    for path in tree.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


if __name__ == "__main__":
    main()
