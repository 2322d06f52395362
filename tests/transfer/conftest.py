import pytest
from transfer_runs import unpack_coco, write_hcsc_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return write_hcsc_checkpoint(tmp_path_factory.mktemp("hcsc_r50") / "epoch_200.pth")


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    return unpack_coco(tmp_path_factory.mktemp("coco"))
