"""HCSC (Hierarchical Contrastive Selective Coding, CVPR 2022) as an extension of OpenMMLab."""

from .dependencies import check_dependencies

check_dependencies()

from . import clustering, datasets, engine, evaluation, models, registry, structures, visualization  # noqa: E402
from .errors import HCSCError  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    "HCSCError",
    "__version__",
    "clustering",
    "datasets",
    "engine",
    "evaluation",
    "models",
    "registry",
    "structures",
    "visualization",
]
