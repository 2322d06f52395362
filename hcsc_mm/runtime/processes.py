"""Processes that meet: on GPUs as mmengine does it, on CPUs by gloo."""

from __future__ import annotations

import os
import subprocess

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed

from .forks import let_threads_finish_before_forks

_DDP_ON_CPU = dict(
    type="MMDistributedDataParallel", device_ids=None, output_device=None, broadcast_buffers=False
)


def start_processes(cfg: Config) -> None:
    """Let the processes of ``cfg.launcher`` meet, as the Runner would.

    For who needs them before a Runner is built, or for several Runners.
    """
    prepare_for_gloo(cfg)
    if cfg.get("launcher", "none") != "none" and not is_distributed():
        init_dist(cfg.launcher, **cfg.env_cfg.get("dist_cfg", {"backend": "nccl"}))


def prepare_for_gloo(cfg: Config) -> None:
    """Change a config so that it runs on several processes without GPUs; elsewhere it stays.

    mmengine selects a CUDA device before it starts any process group, and gives DDP a device id;
    neither exists here. What the config says of the wrapper stays: its type, and options such as
    ``find_unused_parameters``.

    Several processes, on GPUs or not, fork their loader workers with a pause from here on.
    """
    if cfg.get("launcher", "none") == "none":
        return
    let_threads_finish_before_forks()
    if torch.cuda.is_available():
        return
    if not is_distributed():
        if cfg.launcher == "slurm":
            _take_over_slurm_environment()
        torch.distributed.init_process_group("gloo")
    cfg.env_cfg.dist_cfg = {**cfg.env_cfg.get("dist_cfg", {}), "backend": "gloo"}
    wrapper = dict(cfg.get("model_wrapper_cfg") or {})
    # without a wrapper of its own mmengine reads this one key at the top of the config
    wrapper.setdefault("find_unused_parameters", cfg.get("find_unused_parameters", False))
    cfg.model_wrapper_cfg = {**_DDP_ON_CPU, **wrapper, "device_ids": None, "output_device": None}


def _take_over_slurm_environment() -> None:
    """PyTorch's rendezvous variables from those of Slurm, as mmengine does it for GPUs."""
    os.environ.setdefault("RANK", os.environ["SLURM_PROCID"])
    os.environ.setdefault("WORLD_SIZE", os.environ["SLURM_NTASKS"])
    os.environ.setdefault("LOCAL_RANK", os.environ["SLURM_LOCALID"])
    os.environ.setdefault("MASTER_PORT", "29500")
    if "MASTER_ADDR" not in os.environ:
        command = ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]]
        hosts = subprocess.run(command, check=True, capture_output=True, text=True)
        os.environ["MASTER_ADDR"] = hosts.stdout.splitlines()[0]
