"""Python's collector is as it was before the package was imported, and spares what that made."""

import gc

import pytest

from hcsc_mm.garbage import imports_kept


@pytest.fixture(autouse=True)
def collector():
    """As it was."""
    enabled = gc.isenabled()
    yield
    gc.enable() if enabled else gc.disable()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_rests_within_and_is_as_it_was_afterwards(enabled):
    gc.enable() if enabled else gc.disable()
    with imports_kept():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_an_import_that_fails_leaves_it_as_it_was():
    gc.enable()
    with pytest.raises(ImportError), imports_kept():
        raise ImportError("no such library")
    assert gc.isenabled()


def test_what_was_made_within_is_spared_and_what_is_made_later_is_not():
    with imports_kept():
        kept = [[]]
    later = [[]]
    watched = gc.get_objects()
    assert not any(one is kept for one in watched) and any(one is later for one in watched)
