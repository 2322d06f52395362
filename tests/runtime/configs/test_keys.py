"""Which keys a config may have besides those that it has."""

import copy

import pytest
from mmengine.config import Config
from tiny import ROOT

from hcsc_mm import HCSCError
from hcsc_mm.runtime.configs.keys import Keys, UnknownKeyError
from hcsc_mm.runtime.configs.places import path_of
from hcsc_mm.runtime.configs.wanted import ANYTHING

CFG = Config.fromfile(ROOT / "configs" / "hcsc_r18_200e_folder.py")
DEVICE = Config.fromfile(ROOT / "configs" / "hcsc_r18_devaug_200e_folder.py")


def kinds(key: str, cfg: Config = CFG, **others: str) -> set[str]:
    others = {name.replace("__", "."): value for name, value in others.items()}
    return set(Keys(cfg, {key: "x", **others}).wanted(path_of(key)).kinds)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("compile", {"bool", "dict"}),
        ("compile.mode", {"str", "None"}),
        ("find_unused_parameters", {"bool"}),
        ("model_wrapper_cfg.find_unused_parameters", {"bool"}),
        ("experiment_name", {"str", "None"}),
        ("load_from", {"str", "None"}),
        ("train_dataloader.pin_memory", {"bool"}),
        ("train_dataloader.num_batch_per_epoch", {"int", "None"}),
        ("train_dataloader.batch_size", {"int", "None"}),
        ("train_dataloader.dataset.indices", {"int", "sequence", "None"}),
        ("train_cfg.val_interval", {"int"}),
        ("train_cfg.max_epochs", {"int", "None"}),
        ("env_cfg.resource_limit", {"int"}),
        ("env_cfg.mp_cfg.mp_start_method", {"str"}),
        ("randomness.diff_rank_seed", {"bool"}),
        ("randomness.seed", {"int", "float", "None"}),
        ("auto_scale_lr.enable", {"bool"}),
        ("log_processor.num_digits", {"int"}),
        ("optim_wrapper.accumulative_counts", {"int"}),
        ("optim_wrapper.optimizer.nesterov", {"bool"}),
        ("optim_wrapper.optimizer.lr", {"int", "float"}),
        ("optim_wrapper.clip_grad.norm_type", {"int", "float"}),
        ("optim_wrapper.paramwise_cfg.norm_decay_mult", {"int", "float", "None"}),
        ("param_scheduler.1.eta_min", {"int", "float", "None"}),
        ("param_scheduler.0.convert_to_iter_based", {"bool"}),
        ("default_hooks.logger.interval", {"int"}),
        ("default_hooks.checkpoint.every_n_iters", {"int", "None"}),
        ("model.backbone.norm_cfg.requires_grad", {"bool"}),
        ("model.backbone.frozen_stages", {"int", "float"}),
        ("model.backbone._delete_", {"bool"}),
        ("model.head.rule", {"str", "dict"}),
        ("model.init_cfg", {"dict", "sequence", "None"}),
    ],
)
def test_a_key_takes_what_its_reader_says(key, expected):
    assert kinds(key) == expected


@pytest.mark.parametrize(
    ("key", "others"),
    [
        ("default_hooks.probe.in_channels", {"default_hooks__probe__type": "hcsc_mm.CollapseHook"}),
        ("default_hooks.probe.interval", {}),
        ("train_dataloader.pin_mem", {}),
        ("train_dataloader.worker_init_fn.num_workers", {}),
        ("train_cfg.runner", {}),
        ("train_cfg.epochs", {}),
        ("randomness.sed", {}),
        ("env_cfg.threads", {}),
        ("optim_wrapper.optimiser.lr", {}),
        ("optim_wrapper.paramwise_cfg.norm_decay", {}),
        ("optim_wrapper.clip_grad.clip_value", {}),
        ("model.backbone.norm_cfg.splits", {}),
        ("model.neck.layers", {}),
        ("test_dataloader.batch_size", {}),
        ("test_evaluator.topk", {}),
        ("custom_hooks.7.interval", {}),
        ("model.type", {"model__type": "hcsc_mm.HSCS"}),
        ("filename", {}),
        ("foo.bar", {}),
    ],
)
def test_a_key_that_nothing_reads_is_refused(key, others):
    with pytest.raises(UnknownKeyError) as caught:
        kinds(key, **{key.replace(".", "__"): "x", **others})
    assert key.split(".")[0] in str(caught.value) or "there is no type" in str(caught.value)


def test_another_type_has_other_keys():
    norm = "model.backbone.norm_cfg"
    with pytest.raises(UnknownKeyError, match=r"did you mean .*norm_cfg\.num_groups"):
        Keys(CFG, {f"{norm}.type": "GN", f"{norm}._delete_": "True"}).wanted(
            path_of(f"{norm}.num_splits")
        )
    clip = "optim_wrapper.clip_grad"
    taken = Keys(CFG, {f"{clip}.type": "value"}).wanted(path_of(f"{clip}.clip_value"))
    assert taken.kinds == {"int", "float"}


def test_options_of_our_constructor_are_known_where_it_is_named():
    cfg = copy.deepcopy(CFG)
    cfg.optim_wrapper.constructor = "hcsc_mm.TrainedParametersConstructor"
    place = "optim_wrapper.paramwise_cfg"
    taken = Keys(cfg, {}).wanted(path_of(f"{place}.layer_decay_rate"))
    assert taken.kinds == {"int", "float"}
    with pytest.raises(UnknownKeyError, match=r"did you mean .*layer_decay_rate"):
        Keys(cfg, {}).wanted(path_of(f"{place}.layer_decay_rates"))
    with pytest.raises(UnknownKeyError, match="layer_decay_rate"):
        Keys(CFG, {}).wanted(path_of(f"{place}.layer_decay_rate"))


def test_fields_of_a_dataclass_in_a_list_are_known():
    assert kinds("model.data_preprocessor.views.0.flip_prob", DEVICE) == {"int", "float"}
    with pytest.raises(
        UnknownKeyError, match=r"did you mean model\.data_preprocessor\.views\.1\.blur"
    ):
        kinds("model.data_preprocessor.views.1.blurr", DEVICE)


def test_where_nobody_knows_what_is_read_a_new_key_passes_unless_it_looks_like_a_typing_error():
    cfg = Config(dict(model=dict(test_cfg=dict(score_threshold=0.1, level1=2))))
    assert Keys(cfg, {}).wanted(path_of("model.test_cfg.max_per_image")) == ANYTHING
    assert Keys(cfg, {}).wanted(path_of("model.test_cfg.level2")) == ANYTHING
    with pytest.raises(UnknownKeyError, match=r"did you mean model\.test_cfg\.score_threshold"):
        Keys(cfg, {}).wanted(path_of("model.test_cfg.score_treshold"))


def test_values_have_no_entries():
    with pytest.raises(HCSCError, match=r"train_cfg.max_epochs is 200 and has no entries"):
        kinds("train_cfg.max_epochs.x")
    with pytest.raises(HCSCError, match="experiment_name has no entries"):
        kinds("experiment_name.x")
