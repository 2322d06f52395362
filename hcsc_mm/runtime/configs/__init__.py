"""Configs that obey: what the command line changes, and what it may say."""

from .keys import UnknownKeyError
from .names import RAISED_BY_CONFIGS, is_plain
from .options import OptionsAction
from .read import check_kept, merge_options, read_config

__all__ = [
    "RAISED_BY_CONFIGS",
    "OptionsAction",
    "UnknownKeyError",
    "check_kept",
    "is_plain",
    "merge_options",
    "read_config",
]
