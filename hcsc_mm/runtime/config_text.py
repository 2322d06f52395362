"""A config's text is laid out once, however often a run asks for it."""

from __future__ import annotations

import functools
from collections import OrderedDict

from mmengine.config import Config

_MOST_TEXTS = 400  # some forty entries of a config or two at a time, and those that change


def lay_out_configs_once() -> None:
    """Let mmengine's ``Config.pretty_text`` remember the texts that it made of equal entries.

    mmengine puts it into every checkpoint, and asks for it four times before the first step. yapf
    takes a few tenths of a second for it, each time; what it makes of an entry at the top of a
    config does not depend on the other entries. The next run of a process, as in a chain of stages
    or in a grid, lays out what differs from the run before: its work folder, mostly.
    """
    lay_out = Config.pretty_text.fget
    texts: OrderedDict[tuple[str, str], str] = OrderedDict()

    @functools.wraps(lay_out)
    def pretty_text(config: Config) -> str:
        content = config.to_dict()
        of_statements = content and all(str(name).isidentifier() for name in content)
        if not of_statements or not config._format_python_code:
            return lay_out(config)
        return "".join(text_of(name, content[name]) for name in sorted(content))

    def text_of(name: str, value: object) -> str:
        key = (name, repr(value))
        if key not in texts:
            texts[key] = lay_out(Config({name: value}))
            if len(texts) > _MOST_TEXTS:
                texts.popitem(last=False)
        return texts[key]

    Config.pretty_text = property(pretty_text)
