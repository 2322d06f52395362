from .convert import Report, convert
from .efficientnet_lite import packaged_weights
from .files import Checkpoint, read_checkpoint
from .layouts import LAYOUTS, Contents, detect_layout, sort_weights
from .targets import TARGETS, Model, select
from .verify import Verification, verify

__all__ = [
    "LAYOUTS",
    "TARGETS",
    "Checkpoint",
    "Contents",
    "Model",
    "Report",
    "Verification",
    "convert",
    "detect_layout",
    "packaged_weights",
    "read_checkpoint",
    "select",
    "sort_weights",
    "verify",
]
