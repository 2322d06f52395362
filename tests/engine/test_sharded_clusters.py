"""Each rank with the prototypes of its own images trains as if it had all of them."""

from itertools import pairwise

import distributed_workers as workers
import pytest
import shard_workers
import torch
from noise import noise, save_pngs
from shard_workers import Training
from tiny import largest_difference, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.checkpoint_files import newest_checkpoint, why_not_resumable
from hcsc_mm.structures.checkpoint_entry import saved_tree
from hcsc_mm.utils.safe_load import load_data

IN_FILES = {"default_hooks__clustering__shard_checkpoint_above": 100}
BANK = {
    **IN_FILES,
    "default_hooks__clustering__features": "bank",
    "default_hooks__checkpoint__every_n_iters": 1,
}
NUMBER = workers.NUM_ROWS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Work folders of the runs below."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    functions = [
        shard_workers.grow_sharded_trees,
        shard_workers.count_who_moved,
        shard_workers.draw_orders,
        shard_workers.renew_own_keys,
    ]
    return workers.run_on_ranks(functions, 2, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def runs(folder):
    """What each rank has of each run, by its name."""
    pictures = save_pngs(noise(33), folder / "pictures")
    for index in (0, 5, 20):
        (pictures / f"{index:02}.png").write_bytes(b"this is no picture")
    copy = folder / "copies" / "iter_5.pth"
    again = {**BANK, "resume": True, "load_from": str(copy)}
    again["default_hooks__checkpoint__max_keep_ckpts"] = 1
    plain = "OrderOfShards"
    runs = [
        Training("plain", folder / "plain", plain),
        Training("sharded", folder / "sharded"),
        Training("in files", folder / "files", options=IN_FILES),
        Training("bank", folder / "bank", copies=folder / "copies", options=BANK),
        Training("bank resumed", folder / "rest", options=again),
        Training("pictures, plain", folder / "p", plain, images=pictures),
        Training("pictures", folder / "q", images=pictures),
    ]
    return workers.run_on_ranks(runs, 2, folder, seconds=600)  # seven runs


def assert_same_tree(one, other):
    assert torch.equal(one["assignment"], other["assignment"])
    for name in ("parents", "prototypes", "concentrations"):
        assert all(torch.equal(a, b) for a, b in zip(one[name], other[name], strict=True))


def test_a_tree_in_shards_is_the_whole_tree(ranks):
    found = [rank["grow_sharded_trees"] for rank in ranks]
    assert [part["rows"] for part in found] == [(0, 51), (51, 101)]
    whole = found[0]["whole"]
    joined = torch.cat([part["own"]["assignment"] for part in found])
    assert torch.equal(joined, whole["assignment"])
    for part in found:
        assert_same_tree({**part["own"], "assignment": joined}, whole)
        assert part["number"] == (NUMBER, NUMBER)
        for kind in ("sizes", "paths"):
            assert all(torch.equal(a, b) for a, b in zip(*part[kind], strict=True))
        assert torch.equal(part["flat"][1], whole["assignment"])


def test_an_image_of_another_rank_is_refused_with_the_sampler_to_set(ranks):
    for rank in ranks:
        assert "OwnShardSampler" in rank["grow_sharded_trees"]["foreign"]
        assert "of 101 images" in rank["grow_sharded_trees"]["members"]


def test_statistics_of_shards_are_those_of_all_images(ranks):
    for rank in ranks:
        assert rank["count_who_moved"]["shards"] == rank["count_who_moved"]["whole"]


def test_each_image_comes_once_an_epoch_and_always_to_the_same_rank(ranks):
    found = [rank["draw_orders"] for rank in ranks]
    for first, second in zip(*(part["orders"] for part in found), strict=True):
        assert len(first) == len(second) == found[0]["length"] == 51
        assert sorted(first) == list(range(51))
        assert second[-1] == second[0] and sorted(second[:-1]) == list(range(51, 101))
    for part in found:
        assert part["orders"][0] != part["orders"][1] == part["again"]
    assert [i + 51 for i in found[0]["orders"][0]][:50] != found[1]["orders"][0][:50]


def test_denominators_that_ranks_renew_for_their_own_keys_are_those_of_each_for_all(ranks):
    first, second = (rank["renew_own_keys"] for rank in ranks)
    for one, other in zip(
        first["together"]["log_partition"], second["together"]["log_partition"], strict=True
    ):
        assert torch.equal(one, other)
    for rank in (first, second):
        assert torch.equal(rank["together"]["keys"], rank["each"]["keys"])
        assert rank["together"]["loss"] == pytest.approx(rank["each"]["loss"], rel=1e-6)
        for one, other in zip(
            rank["together"]["log_partition"], rank["each"]["log_partition"], strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("run", ["sharded", "in files"])
def test_a_run_in_shards_has_the_numbers_of_the_plain_one_bit_for_bit(runs, run):
    for rank in runs:
        plain, found = rank["plain"], rank[run]
        assert plain["is_whole"] and not found["is_whole"]
        assert found["losses"] == plain["losses"]
        assert largest_difference(found["weights"], plain["weights"]) == 0
        assert_same_tree(found["tree"], plain["tree"])
        assert all(torch.equal(a, b) for a, b in zip(found["sizes"], plain["sizes"], strict=True))
    assert [rank[run]["rows"] for rank in runs] == [(0, 51), (51, 101)]


def test_unreadable_images_of_a_shard_are_left_out_as_in_the_plain_run(runs):
    for rank in runs:
        plain, found = rank["pictures, plain"], rank["pictures"]
        assert found["unreadable"] == plain["unreadable"] == [0, 5, 20]
        assert found["losses"] == plain["losses"]
        assert_same_tree(found["tree"], plain["tree"])
        assert all(torch.equal(a, b) for a, b in zip(found["sizes"], plain["sizes"], strict=True))
    assert [rank["pictures"]["rows"] for rank in runs] == [(0, 17), (17, 33)]


def test_a_small_run_in_shards_saves_a_checkpoint_like_any_other(runs, folder):
    one, other = (
        load_data(folder / name / "epoch_3.pth", map_location="cpu")["hierarchical_clustering"]
        for name in ("sharded", "plain")
    )
    assert_same_tree(one["hierarchy"], other["hierarchy"])
    assert_same_tree(one["final"]["hierarchy"], other["final"]["hierarchy"])
    assert one["hierarchy"].keys() == other["hierarchy"].keys()


def test_a_large_one_has_the_images_prototypes_in_a_file_per_rank(runs, folder):
    path = folder / "files" / "epoch_3.pth"
    names = sorted(file.name for file in path.parent.glob("epoch_3*"))
    assert names == ["epoch_3.pth", "epoch_3.pth.shard0of2", "epoch_3.pth.shard1of2"]
    checkpoint = load_data(path, map_location="cpu")
    assert len(checkpoint["hierarchical_clustering"]["hierarchy"]["assignment"]) == 0
    expected = saved_tree(load_data(folder / "plain" / "epoch_3.pth", map_location="cpu"))
    found = saved_tree(checkpoint, path=path)
    assert (found.num_samples, found.fits) == (NUMBER, True)
    assert_same_tree(found.hierarchy.state_dict(), expected.hierarchy.state_dict())
    bare = saved_tree(checkpoint).hierarchy  # without the files: no images, but all else
    features = torch.nn.functional.normalize(torch.randn(5, 16), dim=1)
    for one, other in zip(bare.assign(features), expected.hierarchy.assign(features), strict=True):
        assert torch.equal(one, other)
    for one, other in zip(bare.sizes(), expected.hierarchy.sizes(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(HCSCError, match="image 3 is not among the 0 of 101"):
        bare.path([3])


def test_a_run_resumed_within_an_epoch_takes_tree_and_bank_from_the_files(runs):
    for rank in runs:
        whole, rest = rank["bank"], rank["bank resumed"]
        assert rest["losses"] == whole["losses"][5:]
        assert largest_difference(rest["weights"], whole["weights"]) == 0
        assert_same_tree(rest["tree"], whole["tree"])


def test_the_files_of_a_checkpoint_go_with_it(runs, folder):
    names = sorted(file.name for file in (folder / "rest").glob("*.pth*"))
    assert names == ["epoch_3.pth", "epoch_3.pth.shard0of2", "epoch_3.pth.shard1of2"]


def test_one_process_goes_on_from_the_files_of_two(runs, folder, tmp_path):
    options = {"train_dataloader__dataset__indices": NUMBER, "resume": True}
    checkpoint = folder / "files" / "epoch_2.pth"
    runner, record = train(tiny_config(tmp_path, load_from=str(checkpoint), **options))
    assert record.hierarchies[2].num_samples == runner.model.hierarchy.num_samples == NUMBER
    assert runner.model.hierarchy.is_whole


def test_a_checkpoint_whose_files_are_gone_or_anothers_is_passed_over(runs, folder, tmp_path):
    for epoch in (2, 3):
        for file in (folder / "files").glob(f"epoch_{epoch}*"):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    second, third = (tmp_path / f"epoch_{epoch}.pth.shard1of2" for epoch in (2, 3))
    assert newest_checkpoint(tmp_path).endswith("epoch_3.pth")
    third.write_bytes(second.read_bytes())
    assert "shard1of2 belongs to another checkpoint" in why_not_resumable(tmp_path / "epoch_3.pth")
    third.unlink()
    assert newest_checkpoint(tmp_path).endswith("epoch_2.pth")
    with pytest.raises(HCSCError, match=r"shard1of2.*No such file"):
        saved_tree(
            load_data(tmp_path / "epoch_3.pth", map_location="cpu"), path=tmp_path / "epoch_3.pth"
        )


def test_on_one_process_the_sampler_draws_all_images_and_the_tree_is_whole(tmp_path):
    cfg = tiny_config(tmp_path / "own", train_dataloader__sampler__type="hcsc_mm.OwnShardSampler")
    runner, record = train(cfg)
    plain, other = train(tiny_config(tmp_path / "plain"))
    assert record.losses == other.losses
    assert runner.model.hierarchy.is_whole
    assert torch.equal(runner.model.hierarchy.assignment, plain.model.hierarchy.assignment)
    assert all(one <= two for one, two in pairwise(sorted(record.hierarchies)))
