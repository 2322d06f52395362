"""PrototypeHierarchy: the tree and its files; what it refuses is in test_checks.py."""

import dataclasses
import os

import numpy as np
import pytest
import torch
from cases import random_hierarchy, unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.structures import PrototypeHierarchy, log_partition

FIELDS = ("parents", "prototypes", "concentrations")


@pytest.fixture
def hierarchy():
    return random_hierarchy()


def assert_same(one, other):
    assert torch.equal(one.assignment, other.assignment)
    for name in FIELDS:
        assert len(getattr(one, name)) == len(getattr(other, name))
        for left, right in zip(getattr(one, name), getattr(other, name), strict=True):
            assert left.dtype == right.dtype
            assert torch.equal(left, right)


def test_path_follows_assignment_and_parents(hierarchy):
    indices = [7, 0, 39, 7]
    path = hierarchy.path(indices)
    for row, index in enumerate(indices):
        prototype = int(hierarchy.assignment[index])
        assert int(path[0][row]) == prototype
        for level, parents in enumerate(hierarchy.parents):
            prototype = int(parents[prototype])
            assert int(path[level + 1][row]) == prototype


@pytest.mark.parametrize(
    "indices",
    [
        [3, 5],
        (3, 5),
        torch.tensor([3, 5]),
        torch.tensor([3, 5], dtype=torch.int32),
        np.array([3, 5]),
    ],
)
def test_path_takes_any_kind_of_index_and_gives_int64(hierarchy, indices):
    path = hierarchy.path(indices)
    assert [level.dtype for level in path] == [torch.int64] * 3
    assert torch.equal(path[0], hierarchy.assignment[[3, 5]].long())


def test_path_of_no_images_is_empty_at_every_level(hierarchy):
    assert [level.shape for level in hierarchy.path([])] == [(0,)] * 3


def test_an_index_beyond_the_training_images_is_no_path(hierarchy):
    with pytest.raises(IndexError):
        hierarchy.path([hierarchy.num_samples])


def test_assign_takes_the_nearest_finest_prototype_and_climbs(hierarchy):
    features = unit_rows(50, 6, seed=9)
    path = hierarchy.assign(features)
    for row, feature in enumerate(features):
        distances = [
            (feature - prototype).square().sum().item() for prototype in hierarchy.prototypes[0]
        ]
        nearest = int(np.argmin(distances))
        assert int(path[0][row]) == nearest
        for level, parents in enumerate(hierarchy.parents):
            nearest = int(parents[nearest])
            assert int(path[level + 1][row]) == nearest


def test_assign_in_chunks_gives_each_row_what_it_gets_alone(hierarchy):
    features = unit_rows(5000, 6, seed=3)  # more than the 4096 rows of a chunk
    together = hierarchy.assign(features)[0]
    for row in (0, 4095, 4096, 4999):
        assert together[row] == hierarchy.assign(features[row : row + 1])[0][0]


@pytest.mark.parametrize("shape", [(3, 5), (6,), (2, 3, 6)])
def test_assign_refuses_features_of_another_shape(hierarchy, shape):
    with pytest.raises(HCSCError, match=r"features must be \(B, 6\)"):
        hierarchy.assign(torch.zeros(shape))


def test_one_level_is_a_hierarchy():
    flat = random_hierarchy(num_prototypes=(5,))
    assert (flat.num_levels, flat.num_prototypes, flat.num_samples) == (1, (5,), 40)
    assert torch.equal(flat.path([3])[0], flat.assignment[[3]])


def test_lists_become_tuples_and_attributes_cannot_be_set(hierarchy):
    rebuilt = PrototypeHierarchy(
        hierarchy.assignment,
        list(hierarchy.parents),
        list(hierarchy.prototypes),
        list(hierarchy.concentrations),
    )
    assert isinstance(rebuilt.prototypes, tuple)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rebuilt.assignment = hierarchy.assignment


def test_log_partition_stays_finite_and_float32_for_tiny_concentrations_and_under_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = log_partition(unit_rows(3, 4), unit_rows(5, 4, seed=1), torch.full((5,), 1e-3))
    assert result.dtype == torch.float32
    assert bool(torch.isfinite(result).all())


def test_state_dict_round_trip_is_exact(hierarchy):
    assert_same(PrototypeHierarchy.from_state_dict(hierarchy.state_dict()), hierarchy)


@pytest.mark.parametrize("name", ["assignment", *FIELDS])
def test_a_state_without_a_part_is_refused_by_its_name(hierarchy, name):
    state = hierarchy.state_dict()
    del state[name]
    with pytest.raises(HCSCError, match=name):
        PrototypeHierarchy.from_state_dict(state)


def test_saved_file_loads_to_the_same_hierarchy_and_needs_tensors_only(hierarchy, tmp_path):
    path = tmp_path / "hierarchy.pth"
    hierarchy.save(path)
    assert_same(PrototypeHierarchy.load(path), hierarchy)
    assert set(torch.load(path, weights_only=True)) == {"assignment", *FIELDS}


def test_save_replaces_the_file_and_leaves_nothing_beside_it(hierarchy, tmp_path):
    path = tmp_path / "hierarchy.pth"
    random_hierarchy(seed=5).save(path)
    hierarchy.save(str(path))
    assert_same(PrototypeHierarchy.load(path), hierarchy)
    assert os.listdir(tmp_path) == ["hierarchy.pth"]


def test_a_save_that_fails_keeps_the_old_file_and_leaves_nothing_beside_it(
    hierarchy, tmp_path, monkeypatch
):
    path = tmp_path / "hierarchy.pth"
    hierarchy.save(path)
    write = torch.save

    def run_out_of_disk(state, name):
        write({"half": torch.zeros(1)}, name)
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", run_out_of_disk)
    with pytest.raises(OSError, match="No space"):
        random_hierarchy(seed=5).save(path)
    assert_same(PrototypeHierarchy.load(path), hierarchy)
    assert os.listdir(tmp_path) == ["hierarchy.pth"]


class Malicious:
    def __reduce__(self):
        return os.mkdir, (os.environ["MALICIOUS_FOLDER"],)


def test_load_does_not_execute_what_a_file_contains(hierarchy, tmp_path, monkeypatch):
    folder, path = tmp_path / "made_by_the_file", tmp_path / "hierarchy.pth"
    monkeypatch.setenv("MALICIOUS_FOLDER", str(folder))
    torch.save({**hierarchy.state_dict(), "assignment": Malicious()}, path)
    with pytest.raises(HCSCError, match="refused"):
        PrototypeHierarchy.load(path)
    assert not folder.exists()


def test_to_keeps_values_and_gives_itself_on_the_same_device(hierarchy):
    assert hierarchy.to("cpu") is hierarchy
    assert hierarchy.to(torch.device("cpu")) is hierarchy


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_to_moves_every_tensor_and_the_file_is_on_the_cpu(hierarchy, tmp_path):
    moved = hierarchy.to("cuda")
    assert {tensor.device.type for name in FIELDS for tensor in getattr(moved, name)} == {"cuda"}
    assert_same(moved.to("cpu"), hierarchy)
    moved.save(tmp_path / "hierarchy.pth")
    assert_same(PrototypeHierarchy.load(tmp_path / "hierarchy.pth"), hierarchy)


def test_assign_of_an_array_is_that_of_the_tensor_as_arrays(hierarchy):
    features = unit_rows(20, 6, seed=4)
    expected = hierarchy.assign(features)
    for dtype in (np.float16, np.float32, np.float64):
        path = hierarchy.assign(features.numpy().astype(dtype))
        assert [(type(level), level.dtype) for level in path] == [(np.ndarray, np.int64)] * 3
        assert all(np.array_equal(a, b.numpy()) for a, b in zip(path, expected, strict=True)), dtype
    strided = np.asfortranarray(features.numpy())[::2]
    assert np.array_equal(hierarchy.assign(strided)[0], expected[0][::2].numpy())


def test_children_members_and_siblings_are_the_tree_read_the_other_way(hierarchy):
    path = hierarchy.path(range(hierarchy.num_samples))
    for level, number in enumerate(hierarchy.num_prototypes):
        for prototype in range(number):
            members = hierarchy.members(level, prototype)
            assert members.tolist() == [i for i, p in enumerate(path[level]) if p == prototype]
            if level > 0:
                below = hierarchy.parents[level - 1]
                children = hierarchy.children(level, prototype)
                assert children.tolist() == [c for c, p in enumerate(below) if p == prototype]
            siblings = hierarchy.siblings(level, prototype).tolist()
            family = (
                range(number)
                if level == 2
                else [
                    c
                    for c in range(number)
                    if hierarchy.parents[level][c] == hierarchy.parents[level][prototype]
                ]
            )
            assert sorted([*siblings, prototype]) == list(family)
            own = hierarchy.prototypes[level]
            similarity = [float(own[prototype] @ own[one]) for one in siblings]
            assert similarity == sorted(similarity, reverse=True)


def test_repr_is_one_line(hierarchy):
    assert repr(hierarchy) == (
        "PrototypeHierarchy(40 images → 8 → 4 → 2 prototypes, 6 dimensions, cpu)"
    )


def test_sizes_count_the_images_below_every_prototype(hierarchy):
    path = hierarchy.path(torch.arange(hierarchy.num_samples))
    for prototypes, sizes in zip(path, hierarchy.sizes(), strict=True):
        assert sizes.tolist() == [int((prototypes == k).sum()) for k in range(len(sizes))]


def test_spread_over_more_images_gives_the_unknown_ones_prototype_0(hierarchy):
    known = torch.ones(hierarchy.num_samples + 3, dtype=torch.bool)
    known[[0, 7, 42]] = False
    wider = hierarchy.spread(known)
    assert torch.equal(wider.assignment[known], hierarchy.assignment.int())
    assert wider.assignment[~known].tolist() == [0, 0, 0]
