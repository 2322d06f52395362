"""What is said of the machine that numbers come from."""

from __future__ import annotations

import os

import torch

from hcsc_mm.utils.machine import processor, this_machine


def test_it_names_cores_instructions_and_gpu():
    assert processor().startswith(f"{os.cpu_count()} cores, ")
    assert processor().endswith(f", {torch.backends.cpu.get_cpu_capability()}")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    assert this_machine() == f"{processor()}, {gpu}"
