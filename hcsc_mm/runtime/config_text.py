"""A config's text is laid out once, however often a run asks for it."""

from __future__ import annotations

import functools
import pickle
import time
from collections import OrderedDict
from pathlib import Path

from mmengine.config import Config

_MOST_TEXTS = 400  # some forty entries of a config or two at a time, and those that change
_MOST_TRIES = 20
_PAUSE = 0.1  # seconds, for another process to finish its file


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
        import_yapf()
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


def import_yapf() -> None:
    """Import yapf, which lays out texts of configs, whatever its files of grammar hold.

    yapf keeps them in the user's cache folder and gives a file its name before its content is
    written: of two processes that start together, one may read an empty file, and a process that is
    killed in that moment leaves one behind, at which every later start would end.

    Raises:
        EOFError: If the files are still empty after two seconds.
        pickle.UnpicklingError: If they are still broken then.
    """
    for remaining in reversed(range(_MOST_TRIES)):
        try:
            import yapf  # noqa: F401

            return
        except (EOFError, pickle.UnpicklingError):
            if not remaining:
                raise
            _renew_grammar()
            time.sleep(_PAUSE)


def _renew_grammar() -> None:
    import yapf_third_party._ylib2to3 as package
    from yapf_third_party._ylib2to3.pgen2.driver import load_grammar

    for text in sorted(Path(package.__file__).parent.glob("*Grammar.txt")):
        load_grammar(str(text), force=True)
