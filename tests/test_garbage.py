"""Python's collector is as it was before the package was imported."""

import gc
import subprocess
import sys

import pytest

from hcsc_mm import garbage
from hcsc_mm.garbage import collector_at_rest


@pytest.fixture(autouse=True)
def collector():
    """As it was."""
    enabled = gc.isenabled()
    yield
    gc.enable() if enabled else gc.disable()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_within_and_is_as_it_was_afterwards(enabled):
    gc.enable() if enabled else gc.disable()
    with collector_at_rest():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_an_import_that_fails_leaves_it_as_it_was():
    gc.enable()
    with pytest.raises(ImportError), collector_at_rest():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_what_was_made_before_and_within_is_still_looked_at():
    """A notebook's own objects are not kept for ever because it imports the package."""
    before = [[]]
    with collector_at_rest():
        within = [[]]
    watched = gc.get_objects()
    for one in (before, within):
        assert any(other is one for other in watched)


def test_the_end_of_a_process_looks_at_nothing():
    program = f"""
import atexit, gc, runpy
atexit.register(lambda: print(gc.get_freeze_count(), len(gc.get_objects())))
runpy.run_path({garbage.__file__!r})["no_last_look"]()
print(gc.get_freeze_count())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    before, after, left = map(int, done.stdout.split())
    assert before == 0 and after > 1000 and left < 100
