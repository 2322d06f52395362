"""What cannot be converted is refused in one line, and leaves nothing behind."""

import os

import pytest
import released
import torch
from malicious import Malicious
from PIL import Image
from released import backbone_of, random_resnet
from safetensors.torch import save_file

from hcsc_mm import HCSCError
from hcsc_mm.weights import convert


@pytest.fixture
def refuse(tmp_path):
    """Converts and returns the error's one line; afterwards the target's folder is as it was."""

    def run(source, to="torchvision", name="out.pth", **options):
        target = tmp_path / "target" / name
        target.parent.mkdir(exist_ok=True)
        before = sorted(target.parent.iterdir())
        with pytest.raises(HCSCError) as error:
            convert(source, target, to, **options)
        assert sorted(target.parent.iterdir()) == before
        assert "\n" not in error.value.one_line()
        return error.value.one_line()

    return run


def saved(tmp_path, state, name="source.pth"):
    return released.save(state, tmp_path / name)


@pytest.mark.parametrize("old_format", [False, True])
def test_file_that_would_run_code_is_refused_and_does_not_run(tmp_path, refuse, old_format):
    trap = tmp_path / "code has run"
    content = {"state_dict": backbone_of(random_resnet()), "extra": Malicious(trap)}
    torch.save(content, tmp_path / "source.pth", _use_new_zipfile_serialization=not old_format)
    assert "source.pth is refused: it holds more than tensors" in refuse(tmp_path / "source.pth")
    assert not trap.exists()


@pytest.mark.parametrize(
    ("to", "name"),
    [("torchvision", "file.pth"), ("timm", "file.safetensors"), ("detectron2", "file.pkl")],
)
def test_truncated_file_is_refused_wherever_it_ends(published, tmp_path, refuse, to, name):
    convert(published["swav"], tmp_path / name, to)
    for length in (40_000_000, 1_000_000, 1000, 10, 1, 0):
        os.truncate(tmp_path / name, length)
        assert any(
            word in refuse(tmp_path / name) for word in ("damaged", "no checkpoint", "is empty")
        )


def test_files_of_another_kind_are_refused(tmp_path, refuse):
    (tmp_path / "notes.pth").write_text("not weights at all")
    assert "notes.pth is no checkpoint: it starts with b'not weights at a'" in refuse(
        tmp_path / "notes.pth"
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    assert "photo.png is no checkpoint: it starts with b'\\x89PNG" in refuse(tmp_path / "photo.png")
    for name in ("photo.pkl", "photo.safetensors"):
        (tmp_path / "photo.png").rename(tmp_path / name)
        assert "damaged" in refuse(tmp_path / name)
        (tmp_path / name).rename(tmp_path / "photo.png")
    assert "there is no file" in refuse(tmp_path / "gone.pth")
    assert "is not a file" in refuse(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(1)], "holds a list, not the weights of a model"),
        ({"epoch": 3}, "holds no weights; it has epoch"),
        ({"state_dict": {}}, "holds no weights; it has state_dict"),
        ({"conv1.weight": torch.zeros(1, device="meta")}, "the shapes of weights without their"),
        (
            {"cls_token": torch.zeros(1, 1, 8), "norm.weight": torch.zeros(8)},
            "no ResNet backbone of a known layout; the tensors are cls_token",
        ),
        (
            {"backbone.cls_token": torch.zeros(1, 1, 8)},
            "no ResNet with a plain stem: conv1.weight is missing",
        ),
    ],
)
def test_file_without_a_resnet_is_refused(tmp_path, refuse, content, message):
    assert message in refuse(saved(tmp_path, content))


def changed(**changes):
    """The weights of a ResNet-18 with some changed: '__' in names for '.', None leaves one out."""
    state = backbone_of(random_resnet()) | {
        name.replace("__", "."): value for name, value in changes.items()
    }
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(layer4__1__bn2__bias=None), "1 missing (layer4.1.bn2.bias)"),
        (
            dict(bn1__running_var=torch.ones(3)),
            "1 of another shape (bn1.running_var is (3,), not (64,))",
        ),
        (
            dict(conv1__weight=torch.ones(64, 1, 7, 7)),
            "1 of another shape (conv1.weight is (64, 1, 7, 7), not (64, 3, 7, 7))",
        ),
        (dict(layer1__0__se__weight=torch.ones(3)), "1 unknown (layer1.0.se.weight)"),
        (dict(layer4__2__conv1__weight=torch.ones(3)), "(2, 2, 2, 3) basic blocks"),
        (dict(bn1__bias=torch.full((64,), float("nan"))), "bn1.bias holds NaN or infinity"),
        (
            dict(bn1__running_var=torch.full((64,), -0.1)),
            "bn1.running_var holds a variance below 0",
        ),
        (
            dict(conv1__weight=torch.ones(64, 3, 7, 7, dtype=torch.int8)),
            "holds torch.int8, not floating point",
        ),
    ],
)
def test_backbone_that_is_not_whole_is_refused_by_its_first_wrong_weight(
    tmp_path, refuse, changes, message
):
    assert message in refuse(saved(tmp_path, changed(**changes)))


def test_queue_without_a_pointer_is_refused(tmp_path, refuse):
    checkpoint = released.hcsc()
    del checkpoint["state_dict"]["module.queue_ptr"]
    assert "the queue is not whole: keys (24, 128)" in refuse(
        saved(tmp_path, checkpoint), "hcsc_mm"
    )


@pytest.mark.parametrize(
    ("to", "name"),
    [("mmdet", "o.pth"), ("torchvision", "o.pth"), ("timm", "o.pth"), ("detectron2", "o.pkl")],
)
def test_small_stem_is_refused_where_there_is_no_counterpart(tmp_path, refuse, to, name):
    source = saved(tmp_path, changed(conv1__weight=torch.ones(64, 3, 3, 3)))
    assert (
        f"it is a ResNet_CIFAR-18, which {to} has no counterpart of; --to hcsc_mm and --to "
        "mmpretrain" in refuse(source, to, name)
    )


def test_queue_of_another_length_than_the_projection_gives_is_refused(tmp_path, refuse):
    checkpoint = released.hcsc()
    checkpoint["state_dict"]["module.queue"] = torch.randn(64, 24)
    assert "the queue's keys, (24, 64), are not of the length" in refuse(
        saved(tmp_path, checkpoint), "hcsc_mm"
    )


def test_part_that_the_target_does_not_take_need_not_be_whole(tmp_path, refuse):
    checkpoint = released.hcsc()
    del checkpoint["state_dict"]["module.queue_ptr"]
    del checkpoint["state_dict"]["module.encoder_k.bn1.bias"]
    source = saved(tmp_path, checkpoint)
    convert(source, tmp_path / "out.pth", "torchvision")
    assert (
        "the key encoder's backbone looks like a ResNet-18, but its weights do not fit: 1 missing "
        "(bn1.bias)" in refuse(source, "hcsc_mm")
    )


def test_tensors_that_are_there_twice_are_refused(tmp_path, refuse):
    state = changed() | {"module.conv1.weight": torch.zeros(64, 3, 7, 7)}
    assert "twice, with and without a leading module" in refuse(saved(tmp_path, state))


def test_encoder_that_is_not_there_is_refused(published, refuse):
    assert "has no key encoder; use --encoder query" in refuse(published["swav"], encoder="key")


@pytest.mark.parametrize(
    ("to", "name", "endings"),
    [
        ("torchvision", "out.pkl", ".pth or .safetensors"),
        ("hcsc_mm", "out.safetensors", ".pth"),
        ("detectron2", "out.safetensors", ".pkl or .pth"),
        ("timm", "out", ".pth or .safetensors"),
    ],
)
def test_wrong_ending_names_the_right_ones(published, refuse, to, name, endings):
    assert refuse(published["swav"], to, name).endswith(f"it must be {endings}")


def test_target_that_exists_is_replaced_only_on_request(published, tmp_path, refuse):
    target = tmp_path / "target" / "out.pth"
    target.parent.mkdir()
    target.write_text("precious")
    assert "exists; give another name, or --force" in refuse(published["swav"])
    assert target.read_text() == "precious"
    convert(published["swav"], target, "torchvision", force=True)
    assert set(torch.load(target, weights_only=True)) == set(backbone_of(random_resnet()))
    assert "source and target are the same file" in refuse(target, force=True)


def test_verification_that_cannot_be_done_leaves_no_target_and_keeps_the_old_one(
    published, tmp_path, refuse
):
    (tmp_path / "text.jpg").write_text("no image")
    assert "cannot read the image" in refuse(published["swav"], image=str(tmp_path / "text.jpg"))
    assert "cannot read the image" in refuse(
        published["swav"], "detectron2", "out.pkl", image=str(tmp_path / "gone.jpg")
    )
    (tmp_path / "target" / "out.pth").write_text("precious")
    refuse(published["swav"], image=str(tmp_path / "text.jpg"), force=True)
    assert (tmp_path / "target" / "out.pth").read_text() == "precious"


def test_folder_that_cannot_be_written_to_is_one_line(published, tmp_path):
    (tmp_path / "folder").write_text("a file in the folder's place")
    with pytest.raises(HCSCError, match=r"cannot write .*out\.pth \(.*\); choose a folder"):
        convert(published["swav"], tmp_path / "folder" / "out.pth", "torchvision")


def test_safetensors_without_a_backbone_are_refused(tmp_path, refuse):
    save_file({"embedding.weight": torch.zeros(2, 2)}, tmp_path / "text_model.safetensors")
    assert "the tensors are embedding.weight" in refuse(tmp_path / "text_model.safetensors")
