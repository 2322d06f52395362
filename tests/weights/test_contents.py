"""A checkpoint's tensors, sorted into the parts of a model."""

import pytest
import released
import torch

from hcsc_mm import HCSCError
from hcsc_mm.weights import sort_weights


def test_moco_checkpoint_is_sorted_into_encoders_projections_and_a_queue_of_rows():
    state = released.hcsc()["state_dict"]
    contents = sort_weights(state)
    assert contents.layout == "hcsc"
    assert torch.equal(
        contents.parts["query.backbone"]["conv1.weight"], state["module.encoder_q.conv1.weight"]
    )
    assert torch.equal(
        contents.parts["key.projection"]["mlp.2.bias"], state["module.encoder_k.fc.2.bias"]
    )
    assert torch.equal(contents.parts["queue"]["keys"], state["module.queue"].T)
    assert (
        contents.parts["queue"]["pointer"].shape == () and contents.parts["queue"]["pointer"] == 8
    )
    assert contents.rest == ["module.queue_index"]
    assert len(contents.rest) + sum(map(len, contents.origins.values())) == len(state)


def test_projection_of_one_layer_is_the_first_of_an_mlp():
    contents = sort_weights(released.moco(num_layers=1)["state_dict"])
    assert set(contents.parts["query.projection"]) == {"mlp.0.weight", "mlp.0.bias"}


def test_forced_layout_that_does_not_fit_names_the_one_that_does():
    with pytest.raises(
        HCSCError,
        match=(
            r"no backbone of the layout detectron2; it looks like --from hcsc; the tensors are "
            r"module\.enc"
        ),
    ):
        sort_weights(released.hcsc()["state_dict"], "detectron2")
