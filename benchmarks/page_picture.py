"""A picture of a tree's page, as the README shows it.

    python benchmarks/page_picture.py work_dirs/quick_start/tree docs/images/tree_page.jpg

Needs playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

from browser import chromium
from PIL import Image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tree", type=Path, help="folder of tools/build_tree.py")
    parser.add_argument("picture", type=Path, help="JPEG or PNG to write")
    parser.add_argument("--view", default="", help="address of a view, such as '#l2-3/l1-14'")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800), metavar=("W", "H"))
    parser.add_argument("--quality", type=int, default=70, help="of a JPEG")
    args = parser.parse_args()
    picture = photograph(args.tree, args.view, tuple(args.size))
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    picture.save(args.picture, quality=args.quality, optimize=True)
    print(f"{args.picture}: {args.picture.stat().st_size / 1000:.0f} kB")


def photograph(tree: Path, view: str, size: tuple[int, int]) -> Image.Image:
    """The page when all thumbnails of the view are there."""
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{tree.resolve().as_uri()}/index.html{view}")
        page.wait_for_selector("#card h2")
        page.evaluate("treePage.thumbs.settled()")
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
