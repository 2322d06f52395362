"""What any long run of mmengine needs, whatever it trains.

Exact resume, whole files, pre-emption, non-finite values, bad images, launching, one-line errors.
Nothing here imports models, clustering or structures of this package.
"""

from ..utils.safe_load import make_mmengine_load_safely
from .config_text import lay_out_configs_once
from .hooks import (
    EpochSeedHook,
    NonFiniteHook,
    PreemptionHook,
    PreflightHook,
    ProgressHook,
    ResumableCheckpointHook,
    UnreadableImagesHook,
)
from .precision import BFloat16OptimWrapper
from .seeded_pipeline import SeededPipeline
from .taking_part import (
    BuildsClusters,
    ChecksTraining,
    GathersForCheckpoint,
    KeepsResumeState,
    KeepsShards,
    LoadsImages,
)
from .train_loop import ResumableTrainLoop
from .trained_parameters import TrainedParametersConstructor
from .worker_seed import seed_worker

make_mmengine_load_safely()
lay_out_configs_once()

__all__ = [
    "BFloat16OptimWrapper",
    "BuildsClusters",
    "ChecksTraining",
    "EpochSeedHook",
    "GathersForCheckpoint",
    "KeepsResumeState",
    "KeepsShards",
    "LoadsImages",
    "NonFiniteHook",
    "PreemptionHook",
    "PreflightHook",
    "ProgressHook",
    "ResumableCheckpointHook",
    "ResumableTrainLoop",
    "SeededPipeline",
    "TrainedParametersConstructor",
    "UnreadableImagesHook",
    "seed_worker",
]
