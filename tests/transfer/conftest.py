import pytest
from transfer_runs import VITS16, unpack_coco, write_hcsc_checkpoint, write_vit_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return write_hcsc_checkpoint(tmp_path_factory.mktemp("hcsc_r50") / "epoch_200.pth")


@pytest.fixture(scope="session")
def vit_checkpoint(tmp_path_factory):
    return write_vit_checkpoint(tmp_path_factory.mktemp("hcsc_vits16") / "epoch_300.pth")


@pytest.fixture
def checkpoint_of(request):
    """What a config starts from, by its name."""
    return lambda name: request.getfixturevalue(
        "vit_checkpoint" if name in VITS16 else "checkpoint"
    )


@pytest.fixture(scope="session")
def coco(tmp_path_factory):
    return unpack_coco(tmp_path_factory.mktemp("coco"))
