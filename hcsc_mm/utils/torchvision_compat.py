"""Make ``import torchvision`` work beside a torch build that lacks torchvision's compiled
operators.

torchvision's wheel for CUDA cannot load its extension next to a CPU build of torch; its import then
stops at ``operator torchvision::nms does not exist``, because it attaches a "fake" implementation
to a schema that the extension would have declared. Transforms and classification models need
neither of the operators, so declaring their schemas is enough.
"""

import importlib
import sys

import torch

# The schemas must outlive this module's import: torch drops them when the Library object is
# collected.
_library: torch.library.Library | None = None

_MISSING_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def ensure_torchvision() -> None:
    """Import torchvision, declaring its missing operator schemas only when the plain import fails
    for want of them.

    Raises:
        RuntimeError: torchvision's import failed for any other reason.
    """
    global _library
    try:
        importlib.import_module("torchvision")
        return
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    for name in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-imported modules would be returned as they are
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _MISSING_SCHEMAS:
        _library.define(schema)
    importlib.import_module("torchvision")
