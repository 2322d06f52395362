import pytest
from small_page import (
    BROKEN_ROW,
    NUM_IMAGES,
    OPTIONS,
    UNPLACED,
    PlainImages,
    SmallTree,
    write_small_tree,
)

from hcsc_mm.explore.page import write_page


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> SmallTree:
    """The small tree with its page; tests leave its files as they are."""
    folder = tmp_path_factory.mktemp("tree")
    prototypes = write_small_tree(folder)
    broken = (BROKEN_ROW, *range(NUM_IMAGES - UNPLACED, NUM_IMAGES))
    images = PlainImages(NUM_IMAGES, broken)
    write_page(folder, images, title="Small <b>tree</b>", options=OPTIONS, processes=1)
    return SmallTree(folder, prototypes)
