"""The one exception for what a user can mend: a wrong number in a config, a missing folder, a
checkpoint that does not fit.
"""


class HCSCError(ValueError):
    """A mistake in what the user gave, told in one line that names the fix.

    ``tools/`` print it without a traceback and exit with code 1; as a ``ValueError`` it behaves as
    expected everywhere else.
    """

    def one_line(self) -> str:
        """The message alone.

        A data-loader worker hands it on inside the text of its whole traceback.
        """
        return str(self).rsplit(f"{type(self).__name__}: ", maxsplit=1)[-1].strip()


class NotApplicableError(HCSCError):
    """A score says nothing of these images or weights; the others beside it do."""
