from .checkpoint_hook import ResumableCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .non_finite_hook import NonFiniteHook
from .preemption_hook import PreemptionHook
from .preflight_hook import PreflightHook
from .progress_hook import ProgressHook
from .trained_weights_hook import TrainedWeightsHook
from .unreadable_images_hook import UnreadableImagesHook

__all__ = [
    "EpochSeedHook",
    "NonFiniteHook",
    "PreemptionHook",
    "PreflightHook",
    "ProgressHook",
    "ResumableCheckpointHook",
    "TrainedWeightsHook",
    "UnreadableImagesHook",
]
