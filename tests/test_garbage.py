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


def numbers_of(program):
    """What a program in a process of its own prints, in which nothing is frozen."""
    head = f"import atexit, gc, runpy\nnames = runpy.run_path({garbage.__file__!r})\n"
    done = subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(map(int, done.stdout.split()))


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


def test_garbage_of_before_and_within_is_found_by_a_full_collection_and_by_no_smaller_one():
    program = """
import weakref

class Cycle:
    def __init__(self):
        self.self = self

before = weakref.ref(Cycle())
with names["collector_at_rest"]():
    within = weakref.ref(Cycle())
gc.collect(1)
print(int(before() is None), int(within() is None))
gc.collect()
print(int(before() is None), int(within() is None), gc.get_freeze_count())
"""
    assert numbers_of(program) == [0, 0, 1, 1, 0]


def test_what_somebody_has_frozen_stays_so():
    program = """
gc.freeze()
print(gc.get_freeze_count())
with names["collector_at_rest"]():
    pass
names["spare_imports"]()
print(gc.get_freeze_count())
"""
    before, after = numbers_of(program)
    assert before == after > 1000


def test_imports_that_are_spared_are_seen_by_no_collection_and_later_objects_are():
    program = """
names["spare_imports"]()
later = [[]]
watched = gc.get_objects()
print(gc.get_freeze_count(), len(watched), sum(one is later for one in watched))
"""
    spared, watched, found = numbers_of(program)
    assert spared > 1000 > 100 > watched and found == 1


def test_the_end_of_a_process_looks_at_nothing():
    program = """
atexit.register(lambda: print(gc.get_freeze_count(), len(gc.get_objects())))
names["no_last_look"]()
print(gc.get_freeze_count())
"""
    before, after, left = numbers_of(program)
    assert before == 0 and after > 1000 and left < 100
