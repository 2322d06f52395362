"""What is packed for a machine that has PyTorch, and installed there."""

import sys

from tiny import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from wheels_beside_torch import to_install, to_pack


def item(name, *requirements):
    return {"metadata": {"name": name, "version": "1.0", "requires_dist": list(requirements)}}


def test_cuda_s_libraries_are_packed_where_something_beside_torch_asks_for_them():
    report = {
        "install": [
            item("torch", "nvidia-cublas>=13", "triton", "sympy"),
            item("nvidia-cublas", "cuda-toolkit"),
            item("cuda-toolkit"),
            item("triton"),
            item("sympy"),
            item("torchvision", "torch"),
            item("timm", "torch", "torchvision"),
            item("faiss-gpu", "nvidia_cublas_cu12<13,>=12.6", "numpy; extra == 'x'"),
            item("nvidia-cublas-cu12", "nvidia-cuda-nvrtc-cu12"),
            item("nvidia-cuda-nvrtc-cu12"),
        ]
    }
    assert [line.removesuffix("==1.0") for line in to_pack(report)] == [
        *("sympy", "timm", "faiss-gpu", "nvidia-cublas-cu12", "nvidia-cuda-nvrtc-cu12")
    ]


def test_a_library_of_cuda_that_is_there_is_left_as_it_is(tmp_path, monkeypatch):
    library = tmp_path / "nvidia_cublas_cu12-12.8.dist-info"
    library.mkdir()
    (library / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-cublas-cu12\n")
    monkeypatch.syspath_prepend(tmp_path)
    lines = ["numpy==2.0", "nvidia-cublas-cu12==12.9", "nvidia-not-there==1.0"]
    assert to_install(lines) == ["numpy==2.0", "nvidia-not-there==1.0"]
