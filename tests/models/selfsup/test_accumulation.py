"""``optim_wrapper.accumulative_counts``: one large batch in parts."""

import pytest
import torch
from mmengine.hooks import Hook
from tiny import largest_difference, tiny_config, train

from hcsc_mm.runtime.launch import build_runner

OPTIONS = {
    "train_cfg__max_epochs": 3,
    "train_dataloader__dataset__indices": 96,  # 6 parts, 3 steps an epoch
    "optim_wrapper__accumulative_counts": 2,
}


class Watch(Hook):
    """After each part: weights of both encoders, the queue's pointer, the epoch's clusters."""

    priority = "LOW"

    def __init__(self):
        self.query, self.key, self.pointers, self.trees = [], [], [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        model = runner.model
        self.query.append(model.backbone.layer1[0].conv1.weight.detach().clone())
        key = model.momentum_encoder.encoder[0].layer1[0].conv1.weight
        self.key.append(key.detach().clone())
        self.pointers.append(int(model.queue.pointer))
        self.trees.append(model.hierarchy)


def test_the_key_encoder_moves_once_a_step_and_the_queue_takes_every_part(tmp_path):
    runner, watch = build_runner(tiny_config(tmp_path, **OPTIONS)), Watch()
    runner.register_hook(watch)
    runner.train()
    momentum = runner.model.momentum_encoder.momentum
    for part in range(2, 18):
        steps = part % 2 == 1  # the optimizer steps after the second of two parts
        assert torch.equal(watch.query[part], watch.query[part - 1]) != steps
        follows = part % 2 == 0  # and the key encoder then follows
        assert torch.equal(watch.key[part], watch.key[part - 1]) != follows
        if follows:
            moved = torch.lerp(watch.key[part - 1], watch.query[part - 1], momentum)
            torch.testing.assert_close(watch.key[part], moved)
    assert watch.pointers == [16 * (part + 1) % 40 for part in range(18)]
    assert [tree is None for tree in watch.trees] == 6 * [True] + 12 * [False]
    assert watch.trees[6] is watch.trees[11] and watch.trees[11] is not watch.trees[12]


@pytest.mark.parametrize("epoch", [1, 2])
def test_an_accumulating_run_resumes_as_if_it_had_not_stopped(tmp_path, epoch):
    whole, _ = train(tiny_config(tmp_path / "whole", **OPTIONS))
    saved = str(tmp_path / f"whole/epoch_{epoch}.pth")
    rest, _ = train(tiny_config(tmp_path / "rest", **OPTIONS, resume=True, load_from=saved))
    assert largest_difference(whole.model.state_dict(), rest.model.state_dict()) == 0
