from .digits import Digits
from .extraction import ExtractionView
from .image_folder import ImageFolder
from .shard_sampler import ShardSampler
from .transforms import LoadImage
from .worker_seed import seed_worker

__all__ = ["Digits", "ExtractionView", "ImageFolder", "LoadImage", "ShardSampler", "seed_worker"]
