"""``compile=True``: the networks are compiled once, whatever the samples bring along."""

import pytest
import torch
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train
from torch._dynamo.utils import counters

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner


class Compilations(Hook):
    """How many graphs were compiled by the end of each epoch."""

    def __init__(self):
        self.graphs = []

    def after_train_epoch(self, runner):
        self.graphs.append(counters["stats"]["unique_graphs"])


def test_networks_are_compiled_once_and_train_as_before(tmp_path):
    torch._dynamo.reset()
    options = {
        "train_cfg__max_epochs": 3,
        "train_dataloader__dataset__indices": 48,
        "default_hooks__checkpoint": None,
        "default_hooks__preemption": None,
    }
    plain, record = train(tiny_config(tmp_path / "plain", **options))
    counters.clear()
    runner = build_runner(
        tiny_config(tmp_path / "compiled", **options, compile={"backend": "eager"})
    )
    compilations = Compilations()
    runner.register_hook(compilations)
    runner.train()
    assert compilations.graphs[0] > 0
    # the second epoch begins with an extraction: eval mode, another size of batch
    assert compilations.graphs[1] == compilations.graphs[-1]
    assert runner.model.hierarchy is not None and len(record.losses) == 3 * (48 // 16)
    assert largest_difference(runner.model.state_dict(), plain.model.state_dict()) <= 1e-5


def test_a_model_without_a_backbone_is_refused(tmp_path):
    cfg = tiny_config(tmp_path, compile=True)
    cfg.model = dict(type="mmengine.ToyModel")
    from mmengine.model import BaseModel
    from mmengine.registry import MODELS

    @MODELS.register_module(name="ToyModel", force=True)
    class Toy(BaseModel):
        def forward(self, inputs, data_samples=None, mode="tensor"):
            return inputs

    with pytest.raises(HCSCError, match="compiles the backbone, and Toy has none"):
        build_runner(cfg)
