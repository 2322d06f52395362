"""No file that a user is given can run code, whichever way its path is given."""

import functools
import http.server
import os
import pickle
import threading

import numpy as np
import pytest
import torch
from command_line import run_here
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmpretrain.registry import DATASETS, MODELS
from tiny import DIGITS, tiny_config, train

from hcsc_mm import HCSCError
from hcsc_mm.runtime.launch import build_runner
from hcsc_mm.structures import PrototypeHierarchy
from hcsc_mm.utils.safe_load import find_damage, load_data


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def trap(tmp_path):
    """The folder that malicious files make."""
    return tmp_path / "code has run"


@pytest.fixture(params=["in the zip format", "in the old format", "as a plain pickle"])
def malicious(request, tmp_path, trap):
    path, content = (
        tmp_path / "weights.pth",
        {"state_dict": {}, "meta": {}, "extra": Malicious(trap)},
    )
    if request.param == "as a plain pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(
            content, path, _use_new_zipfile_serialization=request.param == "in the zip format"
        )
    return path


def backbone(checkpoint):
    return MODELS.build(
        dict(type="ResNet", depth=18, init_cfg=dict(type="Pretrained", checkpoint=str(checkpoint)))
    )


def model(folder, checkpoint):
    return build_runner(tiny_config(folder, model__pretrained=str(checkpoint)))


ENTRIES = {
    "load_from": lambda folder, path: train(tiny_config(folder, load_from=str(path))),
    "resume with a path": lambda folder, path: train(
        tiny_config(folder, load_from=str(path), resume=True)
    ),
    "resume without a path": lambda folder, path: (
        path.rename(path.parent / "epoch_1.pth"),
        train(tiny_config(path.parent, resume=True)),
    ),
    "model.pretrained": lambda folder, path: train(
        tiny_config(folder, model__pretrained=str(path))
    ),
    "init_cfg of a backbone": lambda folder, path: backbone(path).init_weights(),
    "a hierarchy": lambda folder, path: PrototypeHierarchy.load(path),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_malicious_file_is_refused_in_one_line_and_not_run(tmp_path, malicious, trap, entry):
    with pytest.raises(HCSCError) as error:
        ENTRIES[entry](tmp_path / "run", malicious)
    assert "\n" not in error.value.one_line()
    assert not trap.exists()


def test_malicious_file_behind_a_url_is_refused(tmp_path, trap, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    torch.save({"state_dict": {}, "extra": Malicious(trap)}, tmp_path / "weights.pth")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(HCSCError, match=r"it names posix\.mkdir"):
            CheckpointLoader.load_checkpoint(f"http://127.0.0.1:{server.server_port}/weights.pth")
        server.shutdown()
    assert not trap.exists()


def test_malicious_batch_in_a_cifar_folder_is_refused_by_its_checksum(tmp_path, trap):
    """CIFAR is published as pickles, and mmpretrain unpickles them, but only the published ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(pickle.dumps(Malicious(trap)))
    with pytest.raises(RuntimeError, match="Cannot find CIFAR10 dataset"):
        DATASETS.build(
            dict(type="CIFAR10", data_root=str(tmp_path), split="train", download=False)
        ).full_init()
    assert not trap.exists()


def test_command_line_refuses_a_malicious_checkpoint_with_one_line(tmp_path, trap, capfd):
    torch.save({"state_dict": {}, "meta": {}, "extra": Malicious(trap)}, tmp_path / "weights.pth")
    arguments = ["--work-dir", tmp_path / "run", "--resume", tmp_path / "weights.pth"]
    done = run_here(capfd, "train.py", DIGITS, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")] == [
        f"error: {tmp_path}/weights.pth is refused: it holds more than tensors and plain values, "
        "and loading it could run code "
        "(it names posix.mkdir); have its owner save the state dict alone"
    ]
    assert not trap.exists()


def test_text_in_the_meta_that_mmengine_would_run_is_left_out(tmp_path, trap):
    train(tiny_config(tmp_path / "one", train_cfg__max_epochs=1))
    checkpoint = torch.load(tmp_path / "one/epoch_1.pth", weights_only=True)
    checkpoint["meta"]["config"] = f"import os\nos.mkdir({str(trap)!r})"
    torch.save(checkpoint, tmp_path / "text.pth")
    train(
        tiny_config(
            tmp_path / "two",
            train_cfg__max_epochs=1,
            load_from=str(tmp_path / "text.pth"),
            resume=True,
        )
    )
    assert not trap.exists()


def test_functions_that_a_log_history_brings_along_are_dropped(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.statistics_methods = {"mean": "not a function of ours"}
    torch.save({"message_hub": {"loss": history}}, tmp_path / "old.pth")
    loaded = load_data(tmp_path / "old.pth")["message_hub"]["loss"]
    assert isinstance(loaded, HistoryBuffer)
    assert loaded.statistics("mean") == 1.5


def test_our_own_checkpoint_needs_no_exception_to_the_rule(tmp_path):
    train(tiny_config(tmp_path, train_cfg__max_epochs=2))
    checkpoint = torch.load(tmp_path / "epoch_2.pth", weights_only=True)
    assert {
        "state_dict",
        "optimizer",
        "message_hub",
        "meta",
        "hierarchical_clustering",
        "resume",
    } <= checkpoint.keys()
    assert (
        PrototypeHierarchy.from_state_dict(
            checkpoint["hierarchical_clustering"]["hierarchy"]
        ).num_samples
        == 100
    )


def test_numpy_values_of_other_checkpoints_are_read(tmp_path):
    torch.save({"classes": np.arange(3), "best": np.float64(0.5)}, tmp_path / "numpy.pth")
    loaded = load_data(tmp_path / "numpy.pth")
    assert loaded["classes"].tolist() == [0, 1, 2] and loaded["best"] == 0.5


@pytest.mark.parametrize("kind", ["float16", "int8", "uint16", "uint64", "bool"])
def test_arrays_of_any_kind_of_number_are_read(tmp_path, kind):
    torch.save({"weights": np.ones(3, kind)}, tmp_path / "numpy.pth")
    loaded = load_data(tmp_path / "numpy.pth")["weights"]
    assert loaded.dtype == kind and loaded.sum() == 3


def test_flipped_bit_and_truncation_are_noticed(tmp_path):
    path, weights = tmp_path / "weights.pth", torch.arange(1000.0)
    torch.save({"state_dict": {"weights": weights}}, path)
    whole = path.read_bytes()
    assert find_damage(path) is None
    position = whole.index(weights.numpy().tobytes()) + 999
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    assert "checksum" in find_damage(path)
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(HCSCError, match="damaged"):
            CheckpointLoader.load_checkpoint(str(path))


def test_safetensors_are_read_as_weights(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file({"backbone.weight": torch.arange(3.0)}, tmp_path / "weights.safetensors")
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / "weights.safetensors"))
    assert loaded["state_dict"]["backbone.weight"].tolist() == [0, 1, 2]
    (tmp_path / "weights.safetensors").write_bytes(b"this is nothing")
    with pytest.raises(HCSCError, match="damaged"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "weights.safetensors"))
