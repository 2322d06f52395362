"""One image through a pipeline, before the work on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from torch import Tensor

from ..errors import HCSCError
from ..utils.random_states import host_generators_kept
from ..utils.text import first_line
from .transforms.channels import check_transforms
from .transforms.load_image import channels_of


def channels_given(dataset: BaseDataset) -> int | None:
    """The number of channels of the images that a data set's pipeline gives; None where the first
    image is skipped as unreadable, or is no tensor.

    Generators are left as they were.

    Raises:
        HCSCError: the pipeline fails on the first image; it is named.
    """
    check_array(dataset)
    trial = copy(dataset)
    trial.pipeline = copy(dataset.pipeline)  # SeededPipeline notes what it did last
    try:
        with host_generators_kept():
            packed = trial.prepare_data(0)
    except HCSCError:
        raise
    except Exception as error:  # transforms raise whatever they like
        raise HCSCError(
            f"the pipeline of the {type(dataset).__name__} fails on its first image "
            f"({type(error).__name__}: {first_line(error)}); mend its transforms"
        ) from error
    return _channels(packed)


def check_array(dataset: BaseDataset) -> None:
    """Refuse transforms that cannot take the channels of a data set whose images are arrays; those
    of files are looked at by who lists them. Nothing is loaded.

    Raises:
        HCSCError: names the transform.
    """
    image = dataset.get_data_info(0).get("img")
    if isinstance(image, np.ndarray) and image.ndim in (2, 3) and channels_of(image) != 3:
        check_transforms(dataset.pipeline, channels_of(image))


def _channels(packed: Any) -> int | None:
    inputs = packed.get("inputs") if isinstance(packed, Mapping) else None
    if isinstance(inputs, (list, tuple)) and inputs:
        inputs = inputs[0]
    return inputs.shape[-3] if isinstance(inputs, Tensor) and inputs.ndim >= 3 else None
