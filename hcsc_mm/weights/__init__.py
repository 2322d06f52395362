from .contents import Contents, sort_weights
from .convert import Report, convert
from .efficientnet_lite import packaged_weights
from .files import Checkpoint, read_checkpoint
from .layouts import LAYOUTS, detect_layout
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
