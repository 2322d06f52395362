"""The figures of docs/fidelity.md can be had again."""

import re
import sys

from tiny import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import fidelity


def test_every_figure_of_the_page_is_printed():
    lines = [*fidelity.clustering(**fidelity.SIZES["small"]), *fidelity.statistics_of_ranks(1)]
    text = "\n".join([*lines, *fidelity.colours()])
    for seeding in ("random", "k-means++"):
        assert f"{seeding}: objective of level 1" in text
        assert text.count(f"{seeding}, level ") == 3 and f"{seeding}: " in text
    for figure in ("empty clusters", "cosine of centred features", "hue 0.05", "other random rows"):
        assert re.search(rf"{figure}.*\d|\d.*{figure}", text)
