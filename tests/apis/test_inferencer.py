"""HierarchyInferencer: what it takes, and that it places as the tree does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from small_trees import checkpoint, photos

from hcsc_mm import HCSCError
from hcsc_mm.apis import HierarchyInferencer
from hcsc_mm.clustering import hierarchical_kmeans


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return photos(tmp_path_factory.mktemp("photos")) / "train"


@pytest.fixture(scope="module")
def inferencer(images, tmp_path_factory):
    weights = checkpoint(tmp_path_factory.mktemp("weights") / "epoch_3.pth", images)
    return HierarchyInferencer(weights, device="cpu")


def test_training_images_are_placed_where_the_trained_tree_has_them(inferencer, images):
    found = inferencer(images, batch_size=7)
    path = inferencer.hierarchy.path(range(24))
    assert [one.prototypes for one in found] == [
        tuple(int(level[row]) for level in path) for row in range(24)
    ]
    for one in found:
        for level, prototypes in enumerate(inferencer.hierarchy.prototypes):
            distance = np.linalg.norm(prototypes.numpy() - one.embedding, axis=1)
            assert one.distances[level] == pytest.approx(distance[one.prototypes[level]], abs=1e-5)
            if level == 0:
                nearest = np.sort(distance)
                assert one.margin == pytest.approx(nearest[1] - nearest[0], abs=1e-5)
        assert np.linalg.norm(one.embedding) == pytest.approx(1)
        assert one.backbone.shape == (32,)


def test_paths_folders_pictures_and_arrays_are_the_same_images(inferencer, images):
    paths = sorted(images.rglob("*.png"))
    pictures = [Image.open(path) for path in paths]
    arrays = [np.asarray(picture) for picture in pictures]
    expected = np.stack([one.embedding for one in inferencer(images)])
    for given, order in (
        (paths, None),
        ([str(path) for path in paths], None),
        ([images / "blue", images / "green", images / "red"], None),
        (pictures, None),
        (arrays, "rgb"),
        (np.stack(arrays), "rgb"),
        ([array[..., ::-1] for array in arrays], "bgr"),
        ([paths[0], pictures[1], *arrays[2:]], "rgb"),
    ):
        found = inferencer(given, channel_order=order)
        assert np.stack([one.embedding for one in found]) == pytest.approx(expected, abs=1e-6)


def test_one_image_is_a_list_of_one_and_greys_need_no_order(inferencer, images):
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    (one,) = inferencer(grey)
    (same,) = inferencer(np.repeat(grey[..., None], 3, axis=2), channel_order="bgr")
    assert np.array_equal(one.embedding, same.embedding)
    assert one.name == "image 0"
    assert inferencer(images / "red/red_0.png")[0].name == str(images / "red/red_0.png")


@pytest.mark.parametrize(
    ("given", "order", "message"),
    [
        (np.zeros((9, 9, 3), np.uint8), None, "say channel_order='rgb'"),
        (np.zeros((9, 9, 3), np.uint8), "gbr", "channel_order='gbr' is unknown"),
        (np.zeros((9, 9, 3), np.float32), "rgb", r"float32 \(9, 9, 3\); images are uint8"),
        (np.zeros((9, 9, 4), np.uint8), "rgb", r"uint8 \(9, 9, 4\)"),
        ([3], None, "input 0 is a int"),
        ([], None, "no image is given"),
        ("gone.png", None, "cannot read image 'gone.png'"),
    ],
)
def test_what_is_no_image_is_refused_by_name(inferencer, given, order, message):
    with pytest.raises(HCSCError, match=message):
        inferencer(given, channel_order=order)


def test_an_empty_folder_is_refused(inferencer, tmp_path):
    with pytest.raises(HCSCError, match="no image under"):
        inferencer(tmp_path)


def test_the_most_similar_image_is_itself_and_others_follow_by_cosine(inferencer, images):
    gallery = inferencer.embed(images)
    found = inferencer.similar(images / "green/green_3.png", k=5)
    assert found[0] == (str(images / "green/green_3.png"), pytest.approx(1))
    row = gallery.names.index(str(images / "green/green_3.png"))
    cosine = gallery.embedding @ gallery.embedding[row]
    assert [value for _, value in found] == pytest.approx(np.sort(cosine)[::-1][:5])


def test_there_is_nothing_to_search_before_embed(inferencer):
    fresh = HierarchyInferencer(*inferencer.embedder.source)
    with pytest.raises(HCSCError, match="call embed"):
        fresh.similar(np.zeros((9, 9), np.uint8))


def test_weights_without_a_tree_get_one_by_clustering(images, tmp_path):
    weights = checkpoint(tmp_path / "bare.pth", images, hierarchy=None)
    inferencer = HierarchyInferencer(weights)
    with pytest.raises(HCSCError, match=r"bare\.pth has no tree; call cluster"):
        inferencer(images)
    hierarchy = inferencer.cluster(images, (5, 2))
    embeddings = torch.from_numpy(inferencer.embed(images).embedding)
    from_ward = hierarchical_kmeans(embeddings, (5, 2), seeding="ward")  # as of any few images
    torch.testing.assert_close(hierarchy.prototypes[0], from_ward.prototypes[0])
    found = inferencer(images)
    assert [one.prototypes[0] for one in found] == hierarchy.assign(embeddings)[0].tolist()
    hierarchy.save(tmp_path / "hierarchy.pt")
    again = HierarchyInferencer(weights, hierarchy=tmp_path / "hierarchy.pt")(images)
    assert [one.prototypes for one in again] == [one.prototypes for one in found]


def test_a_tree_of_another_space_is_refused(inferencer, images):
    from cases import random_hierarchy

    other = HierarchyInferencer(*inferencer.embedder.source, hierarchy=random_hierarchy(dim=7))
    with pytest.raises(HCSCError, match=r"features must be \(B, 7\), got \(24, 16\)"):
        other(images)
