"""The tree as folders of links."""

import os
import shutil

import pytest
from small_trees import build, build_from_rows, checkpoint, photos, rows_in_blobs

from hcsc_mm import HCSCError
from hcsc_mm.explore.exports import exports

write = exports()["folders"].write


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = photos(tmp_path_factory.mktemp("photos")) / "train"
    shutil.copy(folder / "red/red_0.png", folder / "red/tab\tand\nline.png")
    (folder / "red/broken.png").write_bytes(b"")
    weights = checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", folder.parent / "val")
    return build(weights, folder, tmp_path_factory.mktemp("trees") / "tree", "folders")


def test_each_image_that_can_be_read_is_a_link_in_the_folders_of_its_nodes(tree, tmp_path):
    write(tree, tmp_path)
    links = {
        int(one.name.partition("_")[0]): one for one in tmp_path.rglob("*") if one.is_symlink()
    }
    assert sorted(links) == tree.readable.tolist()
    paths = tree.table.texts("path")
    for row, link in links.items():
        assert os.path.samefile(link, tree.file(paths[row]))
        nodes = [f"l{level}-{own[row]}" for level, own in enumerate(tree.path)]
        assert link.parent.relative_to(tmp_path).parts == tuple(reversed(nodes))


def test_folders_of_an_earlier_export_are_not_mixed_with_new_ones(tree, tmp_path):
    write(tree, tmp_path)
    with pytest.raises(HCSCError, match="of an earlier export; remove it"):
        write(tree, tmp_path)


def test_images_without_files_are_refused(tmp_path):
    tree = build_from_rows(rows_in_blobs(), tmp_path / "tree")
    with pytest.raises(HCSCError, match="need images in files"):
        write(tree, tmp_path / "out")
