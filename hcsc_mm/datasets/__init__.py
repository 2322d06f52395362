from .digits import Digits
from .extraction import ExtractionView
from .image_folder import ImageFolder
from .labelled_images import LabelledImages
from .pad_collate import pad_collate
from .same_classes import check_same_classes
from .shard_sampler import ShardSampler
from .transforms import LoadImage, WholeImage
from .voc import VOC
from .worker_seed import seed_worker

__all__ = [
    "VOC",
    "Digits",
    "ExtractionView",
    "ImageFolder",
    "LabelledImages",
    "LoadImage",
    "ShardSampler",
    "WholeImage",
    "check_same_classes",
    "pad_collate",
    "seed_worker",
]
