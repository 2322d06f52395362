"""A tree of images in shards, a zip or a data base has a page with their pictures."""

from __future__ import annotations

import numpy as np
import page_files as files
import pytest
from rows import encoded
from stores import index, write_base, write_folder, write_shards, write_zip

from hcsc_mm.datasets import ImageFolder
from hcsc_mm.datasets.tar_images import TarImages
from hcsc_mm.explore.build import BuildOptions, build_tree
from hcsc_mm.explore.page import PageOptions, write_page
from hcsc_mm.explore.sources import Sources
from hcsc_mm.explore.tree import Tree
from hcsc_mm.explore.tree_images import TreeImages

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 24, 3), dtype=np.uint8)
IMAGES = encoded(PIXELS)


def in_folder(tmp_path):
    return ImageFolder(str(write_folder(tmp_path / "files", IMAGES)))


def in_shards(tmp_path):
    index(write_shards(tmp_path / "shards", IMAGES, 10))
    return TarImages(str(tmp_path / "shards"))


def in_zip(tmp_path):
    folder = write_folder(tmp_path / "files", IMAGES)
    return ImageFolder(str(write_zip(tmp_path / "a.zip", folder)))


def in_base(tmp_path):
    listed = write_folder(tmp_path / "files", IMAGES) / "list.txt"
    base = dict(backend="lmdb", db_path=str(write_base(tmp_path / "base", IMAGES)))
    return ImageFolder("", ann_file=str(listed), backend_args=base)


@pytest.mark.parametrize("make", [in_folder, in_shards, in_zip, in_base])
def test_page_shows_the_pictures(tmp_path, make):
    images = TreeImages(make(tmp_path))
    embeddings = np.random.default_rng(1).normal(size=(24, 8)).astype(np.float32)
    sources = Sources(None, images, embeddings)
    build_tree(sources, tmp_path / "tree", BuildOptions(num_prototypes=(6, 2)))
    assert Tree(tmp_path / "tree").facts.root == (images.root if make is in_folder else "")
    shown = sources.root or images
    write_page(tmp_path / "tree", shown, options=PageOptions(thumbnail_size=16), processes=1)
    assert all(block["unreadable"] == {} for block in files.blocks(tmp_path / "tree"))
    np.testing.assert_array_equal(np.asarray(images.image(5)), PIXELS[5])
