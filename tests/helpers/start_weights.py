"""What a run starts from: configs of tests name this module in ``custom_imports``."""

import os

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class SaveStartWeights(Hook):
    """Write the weights that the first step meets."""

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        torch.save(model.state_dict(), os.path.join(runner.work_dir, "start_weights.pt"))
