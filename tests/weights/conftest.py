import shutil

import pytest
import released


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A file of each published layout, by its layout; ResNet-18, whose query backbones are those of
    random_resnet().
    """
    folder = tmp_path_factory.mktemp("published")
    return {
        "hcsc": released.save(released.hcsc(), folder / "hcsc.pth.tar"),
        "moco": released.save(released.moco(), folder / "moco_v2.pth.tar"),
        "swav": released.save(released.swav(), folder / "swav.pth.tar"),
    }


@pytest.fixture(autouse=True)
def no_weights_left(tmp_path):
    """pytest keeps the folders of three runs: gigabytes of weights, here."""
    yield
    shutil.rmtree(tmp_path)
