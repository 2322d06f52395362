"""Synchronised batch norms where there is nothing to synchronise them."""

import pytest
import torch
from mmengine.config import ConfigDict

from hcsc_mm.runtime.sync_batch_norm import without_sync_batch_norm


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_synchronised_batch_norms_are_built_as_plain_ones_without_a_gpu():
    synchronised = dict(type="SyncBN", requires_grad=True, eps=1e-3)
    model = ConfigDict(
        backbone=dict(norm_cfg=synchronised),
        heads=[dict(norm_cfg=synchronised), dict(norm_cfg=dict(type="GN"))],
    )
    assert without_sync_batch_norm(model)
    assert (
        model.backbone.norm_cfg
        == model.heads[0].norm_cfg
        == dict(type="BN", requires_grad=True, eps=1e-3)
    )
    assert model.heads[1].norm_cfg.type == "GN"
    assert not without_sync_batch_norm(model)
