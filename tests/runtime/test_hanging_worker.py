"""A loader worker that hangs is not waited for for ever."""

import multiprocessing

import pytest
import torch
from hanging import run_that_hangs

from hcsc_mm import HCSCError

NAMES = {"training": "training pipeline", "extraction": "clustering pipeline"}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """What ends each run, by where its worker hangs and after how many images. They wait at the
    same time: each for six seconds, and five more until its worker is given up.
    """
    # A fork starts at once, but cannot use a GPU that this process may have used.
    context = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "fork")
    runs = {}
    for where in NAMES:
        for after in (20, 0):
            here, there = context.Pipe(duplex=False)
            folder = tmp_path_factory.mktemp("hangs")
            process = context.Process(target=run_that_hangs, args=(there, folder, where, after))
            process.start()
            there.close()
            runs[where, after] = process, here
    found = {}
    for key, (process, here) in runs.items():
        found[key] = here.recv()
        process.join()
    return found


@pytest.mark.parametrize("where", ["training", "extraction"])
def test_worker_that_hangs_ends_the_run(errors, where):
    with pytest.raises(RuntimeError, match="timed out after 6"):
        raise errors[where, 20]


@pytest.mark.parametrize("where", ["training", "extraction"])
def test_worker_that_hangs_at_once_ends_the_run_before_the_first_step(errors, where):
    with pytest.raises(HCSCError, match=f"the {NAMES[where]} .*timed out after 6"):
        raise errors[where, 0]
