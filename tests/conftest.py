import gc

import pytest
import torch

import hcsc_mm  # noqa: F401  first: it makes torchvision importable beside a torch of another build

# Whole files whose tests start several processes, wait for a number of seconds, or measure memory:
# two of them at once would get in each other's way, so that one worker takes them all.
ONE_AFTER_ANOTHER = (
    "test_small_faults.py",
    "test_distributed_clustering.py",
    "test_distributed_extraction.py",
    "test_distributed_training.py",
    "test_fifty_steps_on_two_ranks.py",
    "test_preemption.py",
    "test_ranks.py",
    "test_stopping_together.py",
    "test_train.py",
)

# Files whose tests take more than ten seconds of a core, the longest first. They come before all
# others: one that began last would go on alone while the other workers have nothing to do.
LONG = (
    "test_run_stages.py",
    "test_quick_start.py",
    "test_compare.py",
    "test_compare_together.py",
    "test_resume_within_epoch.py",
    "test_resume.py",
    "test_equal_stores.py",
    "test_photographs.py",
    "test_online_linear_probe_hook.py",
    "test_device_augmentation_training.py",
    "test_collapse_hook.py",
    "test_pretrained.py",
    "test_checkpoint_files.py",
    "test_tree_tools.py",
    "test_gpu_day.py",
    "test_loops.py",
    "test_preflight.py",
    "test_page_in_browser.py",
    "test_measure.py",
)


def pytest_configure(config):
    """With pytest-xdist: workers take the groups in the order of the tests.

    By itself it begins with the groups of the most tests, which are not the longest.
    """
    config.option.loadscopereorder = False


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """With pytest-xdist (``--dist loadgroup``): tests of one file stay on one worker.

    Their fixtures are built once then; files of ``ONE_AFTER_ANOTHER`` stay together, and begin.
    """
    for item in items:
        name = item.path.name
        group = "processes" if name in ONE_AFTER_ANOTHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    order = {name: place for place, name in enumerate((*ONE_AFTER_ANOTHER, *LONG))}
    # stable: within a file, and among those that are not named, nothing moves
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect the tests without looking for garbage in what that makes, then and later.

    mmengine collects garbage whenever a data set is built: a quarter of a second for each of the
    thousand that the tests build, most of it spent on modules.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="module")
def spared_afterwards():
    """What is still there at the end of a file, later collections do not look at.

    These are modules that its tests imported, and what mmengine keeps of each run for ever. The
    files that follow would look through all of it with every data set that they build.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    """Every test sees the same random numbers, whichever tests ran before it."""
    torch.manual_seed(0)
