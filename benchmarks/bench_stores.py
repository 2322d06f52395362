"""Images per second from each store of images: ``python benchmarks/bench_stores.py``; beside a
folder's, ``make bench ARGS="--only stores"``.

The same photographs of coloured noise, 500 × 375, in each; one process and one thread reads them in
random order, alone and with decoding, in turns. All are in the system's cache: what is compared is
the way to an image, not a disk.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import numpy as np
from measure import Row, more
from mmengine.dataset import BaseDataset
from PIL import Image

from hcsc_mm.datasets import ImageFolder, LoadImage
from hcsc_mm.datasets.hf_images import HFImages
from hcsc_mm.datasets.tar_images import TarImages
from hcsc_mm.datasets.tar_index import ALL, index_path
from hcsc_mm.datasets.tar_shards import index_shards
from hcsc_mm.utils.tables import markdown_table

_SIZE, _PER_SHARD = (500, 375), 100
PHOTOGRAPHS = {"tiny": 4, "small": 100, "large": 400}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        read, decoded = rates(Path(folder), args.photographs, args.repeats)
    lines = [[name, f"{median(read[name]):,.0f}", f"{median(decoded[name]):,.0f}"] for name in read]
    print(markdown_table(["images/s", "read", "read and decoded"], lines))


def rows(scale: str, repeats: int, device: str) -> list[Row]:
    """Each store beside the folder; no device has a part in it."""
    with tempfile.TemporaryDirectory() as folder:
        _, decoded = rates(Path(folder), PHOTOGRAPHS[scale], repeats)
    plain = decoded.pop("folder")
    return [
        more(f"read and decode, {name} : a folder", ours, plain, None, "images/s")
        for name, ours in decoded.items()
    ]


Rates = dict[str, list[float]]


def rates(folder: Path, number: int, repeats: int) -> tuple[Rates, Rates]:
    """Images per second of each store, turn by turn: read; and decoded, too."""
    stores = make(folder, number)
    read: Rates = {name: [] for name in stores}
    decoded: Rates = {name: [] for name in stores}
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(number).tolist()
        for name, store in stores.items():
            read[name].append(rate(store, order, LoadImage.content))
            decoded[name].append(rate(store, order, LoadImage._read))
    return read, decoded


def make(folder: Path, number: int) -> dict[str, BaseDataset]:
    """Each store's data set."""
    import datasets
    import lmdb

    files, shards = folder / "files", folder / "shards"
    files.mkdir()
    shards.mkdir()
    names = [f"{place:06d}.jpg" for place in range(number)]
    random = np.random.default_rng(0)
    for name in names:
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        coarse.resize(_SIZE, Image.Resampling.BICUBIC).save(files / name, quality=90)
    content = {name: (files / name).read_bytes() for name in names}
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in names))
    for start in range(0, number, _PER_SHARD):
        with tarfile.open(shards / f"{start:06d}.tar", "w") as archive:
            for name in names[start : start + _PER_SHARD]:
                member = tarfile.TarInfo(name)
                member.size = len(content[name])
                archive.addfile(member, io.BytesIO(content[name]))
    index_shards(str(shards), ALL, index_path(str(shards)))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name in names:
            archive.write(files / name, name)
    with lmdb.open(str(folder / "base"), map_size=2**30) as base, base.begin(write=True) as step:
        for name in names:
            step.put(name.encode(), content[name])
    images = [{"bytes": content[name], "path": None} for name in names]
    features = datasets.Features(image=datasets.Image())
    datasets.Dataset.from_dict({"image": images}, features=features).save_to_disk(folder / "rows")
    listed = str(folder / "list.txt")
    base = dict(backend="lmdb", db_path=str(folder / "base"))
    return {
        "folder": ImageFolder(str(files)),
        "tar shards": TarImages(str(shards)),
        "zip": ImageFolder(str(folder / "a.zip")),
        "LMDB": ImageFolder("", ann_file=listed, backend_args=base),
        "Hugging Face, Arrow": HFImages(str(folder / "rows")),
        "HTTP on the loopback": ImageFolder(serve(files), ann_file=listed),
    }


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """No line for each image."""


def serve(folder: Path) -> str:
    """The address of a server of a folder, which ends with the process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def rate(dataset: BaseDataset, order: list[int], action) -> float:
    """Images per second."""
    load = LoadImage(backend_args=dataset.backend_args)
    start = time.perf_counter()
    for place in order:
        action(load, dataset.get_data_info(place)["img_path"])
    return len(order) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
