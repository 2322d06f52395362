"""The model of a run that clusters."""

from __future__ import annotations

from mmengine.runner import Runner

from ..errors import HCSCError
from ..structures import ClustersImages
from ..utils.models import first_of


def find_model(runner: Runner) -> ClustersImages:
    """The model that clusters, inside whatever wraps it.

    Raises:
        HCSCError: the runner trains another model.
    """
    model = first_of(runner.model, ClustersImages)
    if model is None:
        raise HCSCError(
            "HierarchicalClusteringHook needs a model that clusters, such as hcsc_mm.HCSC or "
            "hcsc_mm.PCL; for others leave it out with default_hooks.clustering=None"
        )
    return model
