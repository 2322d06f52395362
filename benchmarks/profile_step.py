#!/usr/bin/env python
"""Where the time of a training step goes: ``python benchmarks/profile_step.py --scale large``.

Prints the dearest operations, and on a GPU the number of kernels and the share of the step in which
one of them runs; the rest is gaps, in which the device waits for the host.
"""

from __future__ import annotations

import argparse
import time

import torch
from bench_step import NAMES, PRECISIONS, Step
from measure import seconds
from step_models import SIZES
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", choices=SIZES, default="small")
    parser.add_argument("--model", choices=NAMES, default="hcsc")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", type=int, default=20, help="operations to print")
    args = parser.parse_args()
    on_gpu = args.device.startswith("cuda")
    step = Step(args.model, SIZES[args.scale], args.device, PRECISIONS[args.precision])
    for _ in range(3):
        step()
    plain = seconds(lambda: [step() for _ in range(STEPS)], args.device) / STEPS
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities) as found:
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        if on_gpu:
            torch.cuda.synchronize()
        profiled = (time.perf_counter() - start) / STEPS
    print(
        f"{args.model}, {args.precision}, {args.scale}: {1e3 * plain:.1f} ms a step, "
        f"{1e3 * profiled:.1f} ms while it is profiled"
    )
    if on_gpu:
        print(kernels(found, profiled))
    order = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=order, row_limit=args.rows, max_name_column_width=60))


def kernels(found: profile, step_seconds: float) -> str:
    """How many kernels a step has, and in which share of it one runs."""
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if event.device_type == DeviceType.CUDA
    )
    busy, until = 0.0, float("-inf")  # µs; kernels of several streams may overlap
    for start, end in spans:
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    share = busy / 1e6 / STEPS / step_seconds
    return f"{len(spans) / STEPS:.0f} kernels and copies a step, one of them runs {share:.1%} of it"


if __name__ == "__main__":
    main()
