"""Fifty training steps beside a slow re-implementation of the released arithmetic, in float64."""

import pytest
import torch
from slow_training import Batch, SlowTraining, keep_probabilities
from small_double import (
    EPOCH,
    STEPS,
    double_hcsc,
    double_hierarchy,
    largest,
    levels_of,
    rate,
    sgd_of,
    train_step,
    weights_of,
)


@pytest.mark.parametrize(
    ("num_views", "warm_up", "local"),
    [(2, STEPS, False), (2, 0, False), (4, 0, True), (4, 0, False), (4, 20, True)],
    ids=[
        "warm-up",
        "single crop",
        "multi-crop, selected",
        "multi-crop, not selected",
        "multi-crop after a warm-up",
    ],
)
def test_fifty_steps_are_those_of_the_released_arithmetic(num_views, warm_up, local):
    """A deliberate difference is left out here: a level's last prototype is a negative."""
    torch.manual_seed(0)
    model = double_hcsc(local=local)
    slow = SlowTraining(
        weights_of(model._query_encoder()), model.queue.keys, momentum=0.01, temperature=0.2
    )
    sgd = sgd_of(model)
    for step in range(STEPS):
        if step >= warm_up and (step - warm_up) % EPOCH == 0:
            model.set_hierarchy(double_hierarchy(seed=step))
        queue = model.queue.keys.clone()
        done = train_step(model, model.loss, sgd, num_views, rate(step))
        tree = levels_of(model.hierarchy)
        for level, (prototypes, phi) in enumerate(tree or ()):
            theirs = keep_probabilities(queue, prototypes, phi, done["own"][0][level])
            ours = model.selection.probabilities[level][0]
            torch.testing.assert_close(ours, theirs.clamp(max=0.999), rtol=0, atol=1e-14)
        batch = Batch(done["views"], done["own"], done["draws"])
        expected = slow.step([batch], tree, lr=rate(step))[0]
        assert done["losses"] == pytest.approx(expected, rel=0, abs=1e-13)
    assert largest(weights_of(model._query_encoder()), slow.query) <= 1e-14
    assert largest(weights_of(model.momentum_encoder), slow.key) <= 1e-14
    assert largest(model.queue.keys, slow.queue) <= 1e-14
