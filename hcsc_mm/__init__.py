"""HCSC (Hierarchical Contrastive Selective Coding, CVPR 2022) as an extension of OpenMMLab."""

from .garbage import collector_at_rest, no_last_look

no_last_look()

with collector_at_rest():
    from .dependencies import check_dependencies

    check_dependencies()

    from . import installed, moved

    moved.install()
    installed.let_configs_inherit()

    from . import (
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
    from .errors import HCSCError
    from .version import __version__

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
