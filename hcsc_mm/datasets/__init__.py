from .digits import Digits
from .extraction import ExtractionView
from .image_folder import ImageFolder
from .pad_collate import pad_collate
from .shard_sampler import ShardSampler
from .transforms import LoadImage, WholeImage
from .worker_seed import seed_worker

__all__ = ["Digits", "ExtractionView", "ImageFolder", "LoadImage", "ShardSampler", "WholeImage", "pad_collate", "seed_worker"]
