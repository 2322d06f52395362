"""Where the released code and the paper's set notation differ, each point a named option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ...errors import HCSCError

_CHOICES = {
    "rejected": ("zero", "absent"),
    "instance_reduction": ("sum", "mean"),
    "exclude": ("batch", "own"),
}


@dataclass(frozen=True)
class LossRule:
    """How draws and levels become losses.

    The defaults are the released code, from which the published numbers come. Local views are
    always summed, the levels of the prototype losses always averaged. The released code also never
    uses a level's last prototype as a negative; that is a plain off-by-one and is not offered.

    Attributes:
        rejected: What a rejected negative leaves in the denominator: 'zero' exp(0) = 1, 'absent'
            nothing.
        instance_reduction: Over the levels of a view's instance losses: 'sum' or 'mean'.
        exclude: Prototypes that are no negatives of a query: the positives of the whole 'batch' on
            this rank, or its 'own' only. With no more prototypes than images in a batch, 'batch'
            leaves no negatives at all.
    """

    rejected: str = "zero"
    instance_reduction: str = "sum"
    exclude: str = "batch"

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise HCSCError(
                    f"rule option {name}={getattr(self, name)!r} is unknown; choose one of "
                    f"{', '.join(map(repr, choices))}"
                )

    @classmethod
    def build(cls, rule: str | Mapping[str, str] | LossRule) -> LossRule:
        """From 'released', 'paper', or a dict of options over the released ones.

        Raises:
            HCSCError: an unknown preset, option or value, with the known ones.
        """
        if isinstance(rule, cls):
            return rule
        if isinstance(rule, str):
            if rule not in PRESETS:
                raise HCSCError(
                    f"rule={rule!r} is unknown; choose one of {', '.join(map(repr, PRESETS))} or "
                    "a dict of options"
                )
            return PRESETS[rule]
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(rule) - set(known))
        if unknown:
            raise HCSCError(
                f"rule options {', '.join(unknown)} are unknown; the known ones are "
                f"{', '.join(known)}"
            )
        return cls(**rule)


PRESETS = {
    "released": LossRule(),
    "paper": LossRule(rejected="absent", instance_reduction="mean", exclude="own"),
}
