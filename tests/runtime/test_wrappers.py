"""What a config says of the model's wrapper holds on processes without a GPU, too."""

import pytest
import torch
from mmengine.config import Config

from hcsc_mm.runtime import processes


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU mmengine wraps by itself")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"type": "MMDistributedDataParallel", "find_unused_parameters": False}),
        ({"find_unused_parameters": True}, {"find_unused_parameters": True}),
        (
            {"model_wrapper_cfg": {"type": "MMSeparateDistributedDataParallel"}},
            {"type": "MMSeparateDistributedDataParallel", "find_unused_parameters": False},
        ),
        (
            {
                "model_wrapper_cfg": {
                    "type": "MMDistributedDataParallel",
                    "static_graph": True,
                    "find_unused_parameters": True,
                    "device_ids": [0],
                }
            },
            {"static_graph": True, "find_unused_parameters": True, "device_ids": None},
        ),
    ],
)
def test_wrapper_options_are_merged_with_what_a_cpu_needs(monkeypatch, options, expected):
    monkeypatch.setattr(processes, "is_distributed", lambda: True)  # the processes have met
    cfg = Config({"launcher": "pytorch", "env_cfg": {}, **options})
    processes.prepare_for_gloo(cfg)
    needed = {"device_ids": None, "output_device": None, "broadcast_buffers": False}
    assert {**needed, **expected}.items() <= dict(cfg.model_wrapper_cfg).items()
    assert cfg.env_cfg.dist_cfg.backend == "gloo"
