"""What stages will ask of their data and configs, asked before the pre-training."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.config import Config
from mmengine.registry import DefaultScope

from ..datasets.same_classes import check_num_classes, check_same_classes
from ..errors import HCSCError
from ..evaluation.feature_loop import applicable
from ..evaluation.feature_set import has_labels
from ..registry import METRICS
from ..runtime.pretrained import configs_of_type
from .data import DataSets
from .options import FLAG

_FEATURES, _LABELS = "hcsc_mm.FeatureTestLoop", "hcsc_mm.CheckLabelsHook"


def rehearse(configs: Mapping[str, Config], data: DataSets) -> None:
    """Refuse stages that would end with an error after a week of pre-training.

    Args:
        configs: Configs of the stages, by name.
        data: Data of the chain.

    Raises:
        HCSCError: classes, numbers of images, or options of a metric do not go together.
    """
    for name, cfg in configs.items():
        if cfg.get("default_scope") != "mmpretrain":
            continue
        try:
            with DefaultScope.overwrite_default_scope("mmpretrain"):
                _ask(cfg, data)
        except HCSCError as error:
            raise HCSCError(
                f"the stage {name} could not run: {error.one_line()}; or change it with "
                f"{FLAG}{name}.KEY=VALUE, or leave it out with --stages"
            ) from error


def _ask(cfg: Config, data: DataSets) -> None:
    test = data.of(cfg.get("test_dataloader"))
    if any(configs_of_type(cfg.get("test_cfg"), _FEATURES)):
        train = data.of(cfg.test_cfg.get("train_dataloader"))
        if test is None or not has_labels(test):
            return
        if train is not None:
            check_same_classes(train, test)
        wanted = cfg.test_evaluator
        wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
        applicable([METRICS.build(dict(one)) for one in wanted], test, train, None)
    elif any(configs_of_type(cfg.get("custom_hooks"), _LABELS)):
        train, val = data.of(cfg.get("train_dataloader")), data.of(cfg.get("val_dataloader"))
        number = (cfg.model.get("head") or {}).get("num_classes")
        if train is None or number is None:
            return
        check_num_classes(train, number, "training")
        if val is not None:
            check_same_classes(train, val)
