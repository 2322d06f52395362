"""A FAISS that cannot be used is told in one line."""

import sys

import pytest
from cases import unit_rows

from hcsc_mm import HCSCError
from hcsc_mm.clustering import faiss_kmeans
from hcsc_mm.explore.faiss_library import import_faiss


@pytest.mark.parametrize("call", [lambda: faiss_kmeans(unit_rows(6, 4), 2), import_faiss])
def test_a_faiss_gpu_without_cuda_s_libraries_is_told_in_one_line(call, tmp_path, monkeypatch):
    (tmp_path / "faiss.py").write_text("raise RuntimeError('nvidia-cublas-cu12 is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    with pytest.raises(HCSCError, match=r"FAISS \(nvidia-cublas-cu12 is missing\)"):
        call()
