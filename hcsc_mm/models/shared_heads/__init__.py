"""Parts of detectors.

They need mmdetection, which pre-training does not: configs name this module in ``custom_imports``.
"""

from ...runtime.downstream import check_library

check_library("mmdet")

from .normed_res_layer import NormedResLayer  # noqa: E402

__all__ = ["NormedResLayer"]
