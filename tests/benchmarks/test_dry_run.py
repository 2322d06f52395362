"""The dry run counts what a real run holds, and takes nothing itself."""

import json
import subprocess
import sys

import pytest
import torch
from cases import unit_rows
from tiny import ROOT

from hcsc_mm.clustering import hierarchical_kmeans
from hcsc_mm.models import ClusterSelection


def dry_run(*arguments: str) -> dict:
    """What it finds, and the most memory that its process has had, in bytes."""
    script = ROOT / "benchmarks" / "dry_run.py"
    own = (
        "import re, runpy, sys; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        # and not of getrusage, which begins with the memory of the process that starts this one
        "print(1024 * int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]))"
    )
    command = [sys.executable, "-c", own, str(script), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found, memory = done.stdout.strip().splitlines()[-2:]
    return {**json.loads(found), "memory": int(memory)}


def size_of(*tensors: torch.Tensor) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


def test_the_bytes_of_one_process_are_those_of_a_real_run():
    found = dry_run(
        *("--images", "6000", "--ranks", "1", "--batch", "300"),
        *("--prototypes", "1500", "600", "300"),
    )
    tree = hierarchical_kmeans(unit_rows(6000, 128), (1500, 600, 300))
    tensors = [tree.assignment, *tree.parents, *tree.prototypes, *tree.concentrations]
    assert found["the tree's assignment"]["held"] == size_of(tree.assignment) == 4 * 6000
    assert found["clustering"]["held"] == size_of(*tensors)
    selection = ClusterSelection()
    selection.set_hierarchy(tree, unit_rows(16384, 128))
    known = selection._known
    assert found["denominators of the queue"]["held"] == size_of(
        *known.of_keys, *known.of_prototypes, *known.keep_shares
    )
    # 16,384 keys and the prototypes of each level but the last against those above them; and the
    # keys once more, for the mean share of negatives that are kept
    scores = 2 * 16384 * 2400 + 1500 * 600 + 600 * 300
    assert found["denominators of the queue"]["products"] == 128 * scores
    assert found["new keys of a step"]["products"] == 128 * 300 * 2400


@pytest.mark.parametrize("plain", [False, True], ids=["sharded", "plain"])
def test_a_billion_images_are_counted_without_room_for_them(plain):
    ranks, images = 512, 10**9
    found = dry_run(
        *("--ranks", str(ranks), "--batch", "32", "--memory-mb", "8192"),
        *(["--plain"] if plain else []),
    )
    share = images // ranks
    assert found["the tree's assignment"]["held"] == 4 * (images if plain else share)
    assert found["bank"]["held"] == 4 * 128 * (share + 1)  # a row for the keys of other images
    assert found["order of an epoch's images"]["held"] == 8 * share
    prototypes = 102_400 + 51_200 + 10_240
    assert found["new keys of a step"]["products"] == 128 * 32 * prototypes  # of its own 32 keys
    if not plain:
        assert found["clustering"]["peak"] < 4 * images  # which the gathered assignment takes
    assert found["memory"] < 2**30
