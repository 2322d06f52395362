"""What must be installed, checked in one place before anything else is imported."""

import contextlib
import importlib
import importlib.util
import io
import warnings
from importlib.metadata import PackageNotFoundError, version

from .utils.text import first_line

# Import name → pip name. The OneDL builds are the maintained ones of the OpenMMLab libraries.
_REQUIRED = {
    "torch": "torch==2.13.0",
    "torchvision": "torchvision==0.28.0",
    "numpy": "numpy",
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmpretrain": "onedl-mmpretrain",
    "sklearn": "scikit-learn",
    "pyarrow": "pyarrow",
}
# Before 2.6 a file could run code through torch.load(weights_only=True), too (CVE-2025-32434).
_OLDEST_TORCH = (2, 6)


class DependencyError(ImportError):
    """A package is missing or does not fit; the message names the command that mends it, so that
    the tools have no advice to add.
    """

    advice = ""


def check_dependencies() -> None:
    """Import the libraries that everything rests on.

    Raises:
        DependencyError: one line naming the package and the fix.
    """
    missing = [
        pip_name for name, pip_name in _REQUIRED.items() if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise DependencyError(
            f"not installed: {', '.join(missing)}; run: pip install {' '.join(missing)}"
        )
    try:
        installed = version("torch")
    except PackageNotFoundError as error:
        raise DependencyError(
            "torch is there but was not installed by pip; run: pip install torch==2.13.0"
        ) from error
    if tuple(int(part) for part in installed.split(".")[:2]) < _OLDEST_TORCH:
        oldest = ".".join(map(str, _OLDEST_TORCH))
        raise DependencyError(
            f"torch {installed} is too old, {oldest} is the oldest that fits; run: pip install "
            "torch==2.13.0"
        )
    from .utils.torchvision_compat import ensure_torchvision

    try:
        ensure_torchvision()
    except (RuntimeError, ImportError) as error:
        raise DependencyError(
            f"torchvision {version('torchvision')} does not fit torch {installed} "
            f"({first_line(error)}); run: pip install torch==2.13.0 torchvision==0.28.0"
        ) from error
    # mmcv's deformable attention is not used here, and its absence from builds without operators is
    # no news to anybody.
    warnings.filterwarnings("ignore", message="Fail to import ``MultiScaleDeformableAttention``")
    # Said once per worker and epoch by every colour jitter with Pillow; the channel order is right
    # all the same.
    warnings.filterwarnings("ignore", message="Only use 'alpha' for pillow backend")
    for name in ("mmengine", "mmcv", "mmpretrain", "mmpretrain.datasets"):
        try:
            # The OneDL build of mmpretrain prints that a client for a commercial service is not
            # installed.
            with contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
        except (
            ImportError,
            AssertionError,
        ) as error:  # mmpretrain asserts on the versions of mmcv and mmengine
            raise DependencyError(
                f"{name} cannot be imported ({first_line(error)}); run: pip install -r "
                "requirements.txt"
            ) from error
