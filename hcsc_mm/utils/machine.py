"""The machine that numbers come from, in words."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import torch

_CPUINFO = Path("/proc/cpuinfo")


def this_machine() -> str:
    """Cores, processor and GPU: '2 cores, AMD EPYC (family 25, model 17), AVX512, no GPU'."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{processor()}, {gpu}"


def processor() -> str:
    """Cores and name of the processor, what tells it from others of that name, and instructions
    that PyTorch takes its kernels for: rounding depends on both.
    """
    entries = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    facts = dict(re.findall(r"^(.+?)\s*:\s*(.*)$", entries.partition("\n\n")[0], re.MULTILINE))
    name = facts.get("model name", platform.machine())
    if {"cpu family", "model"} <= facts.keys():
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    return f"{os.cpu_count()} cores, {name}, {torch.backends.cpu.get_cpu_capability()}"
