from ..runtime.worker_seed import seed_worker  # stays importable from here
from ..utils.importing import import_all
from .digits import Digits
from .extraction import ExtractionView
from .image_folder import ImageFolder
from .image_memory import ImageMemory
from .labelled_images import LabelledImages
from .own_shard_sampler import OwnShardSampler
from .pad_collate import pad_collate
from .same_classes import check_same_classes
from .shard_sampler import ShardSampler
from .transforms import LoadImage, WholeImage
from .voc import VOC

__all__ = [
    "VOC",
    "Digits",
    "ExtractionView",
    "ImageFolder",
    "ImageMemory",
    "LabelledImages",
    "LoadImage",
    "OwnShardSampler",
    "ShardSampler",
    "WholeImage",
    "check_same_classes",
    "pad_collate",
    "seed_worker",
]

import_all(__name__, __path__)  # a new file needs no entry here
