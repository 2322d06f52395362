"""HCSC (Hierarchical Contrastive Selective Coding, CVPR 2022) as an extension of OpenMMLab."""

from .dependencies import check_dependencies

check_dependencies()

from . import installed, moved  # noqa: E402

moved.install()
installed.let_configs_inherit()

from . import (  # noqa: E402
    clustering,
    datasets,
    engine,
    evaluation,
    models,
    recipes,
    registry,
    runtime,
    structures,
    visualization,
)
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
    "recipes",
    "registry",
    "runtime",
    "structures",
    "visualization",
]
