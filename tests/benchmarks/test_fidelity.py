"""The figures of docs/fidelity.md can be had again."""

import importlib.util
import re
import sys

import pytest
from tiny import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import fidelity

faiss_missing = importlib.util.find_spec("faiss") is None


def test_every_figure_of_the_page_is_printed():
    lines = [*fidelity.clustering(**fidelity.SIZES["small"]), *fidelity.statistics_of_ranks(1)]
    text = "\n".join([*lines, *fidelity.colours()])
    for seeding in ("random", "k-means++"):
        assert f"{seeding}: objective of level 1" in text
        assert text.count(f"{seeding}, level ") == 3 and f"{seeding}: " in text
    for figure in ("empty clusters", "cosine of centred features", "hue 0.05", "other random rows"):
        assert re.search(rf"{figure}.*\d|\d.*{figure}", text)


@pytest.mark.skipif(faiss_missing, reason="no FAISS")
def test_faiss_s_own_clustering_is_compared_in_trees_from_the_same_rows_and_under_its_cap(capsys):
    import fidelity_faiss

    fidelity_faiss.main(["--small"])
    text = capsys.readouterr().out
    for way in ("FAISS", "ours, random rows", "ours, k-means++"):
        assert sum(line.startswith(f"{way}, level ") for line in text.splitlines()) == 3
    for figure in ("statistics differ", "halves of large clusters", "rows per centroid"):
        assert re.search(rf"{figure}.*\d", text)
