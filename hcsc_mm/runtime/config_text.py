"""A config's text is laid out once, however often a run asks for it."""

from __future__ import annotations

import functools
from collections import OrderedDict

from mmengine.config import Config

_MOST_TEXTS = 8  # a process has a config or two at a time


def lay_out_configs_once() -> None:
    """Let mmengine's ``Config.pretty_text`` remember the texts that it made of equal contents.

    mmengine puts it into every checkpoint, and asks for it four times before the first step. yapf
    takes a few tenths of a second for it, each time; what it makes of equal contents is equal.
    """
    lay_out = Config.pretty_text.fget
    texts: OrderedDict[tuple[str, bool], str] = OrderedDict()

    @functools.wraps(lay_out)
    def pretty_text(config: Config) -> str:
        content = (repr(config.to_dict()), config._format_python_code)
        if content not in texts:
            texts[content] = lay_out(config)
            if len(texts) > _MOST_TEXTS:
                texts.popitem(last=False)
        return texts[content]

    Config.pretty_text = property(pretty_text)
