"""The model zoo's files, which OpenMMLab's mim reads, say what the README and the configs say."""

import re

import pytest
import yaml
from mmengine.config import Config
from tiny import ROOT


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


METAFILES = [read(path) for path in read("model-index.yml")["Import"]]
COLLECTIONS = {
    collection["Name"]: collection
    for metafile in METAFILES
    for collection in metafile["Collections"]
}
ENTRIES = {model["Name"]: model for metafile in METAFILES for model in metafile["Models"]}


def metrics(model):
    return {
        name: value
        for result in model.get("Results", [])
        for name, value in result["Metrics"].items()
    }


def published_in_the_readme():
    """Config name → (linear, kNN), from the README's table."""
    rows = re.findall(
        r"^\| (\d+) epochs(, multi-crop)? \| ([\d.]+) \| ([\d.]+) \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    return {
        f"hcsc_r50_{'mcrop_' if crops else ''}{epochs}e_in1k": (float(linear), float(knn))
        for epochs, crops, linear, knn in rows
    }


def test_every_imagenet_config_has_an_entry_and_every_entry_a_config():
    assert {path.stem for path in (ROOT / "configs").glob("*in1k.py")} <= set(ENTRIES)
    assert all(
        (ROOT / model["Config"]).is_file() and model["Config"] == f"configs/{name}.py"
        for name, model in ENTRIES.items()
    )


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_says_what_its_config_does(name):
    config, model = Config.fromfile(ROOT / ENTRIES[name]["Config"]), ENTRIES[name]
    assert model["Metadata"]["Epochs"] == config.train_cfg.max_epochs
    assert model["Metadata"]["Batch Size"] == config.train_dataloader.batch_size * config.get(
        "num_gpus", 1
    )


def test_published_figures_are_the_readmes_and_marked_as_published():
    published = {
        name: metrics(model)
        for name, model in ENTRIES.items()
        if any("published" in metric for metric in metrics(model))
    }
    expected = {
        name: {"Linear Top 1 Accuracy (published)": linear, "kNN Top 1 Accuracy (published)": knn}
        for name, (linear, knn) in published_in_the_readme().items()
    }
    assert len(expected) == 6 and published == expected


def test_measured_figures_are_the_readmes_and_marked_as_measured():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("|")
    ]
    titles = next(row for row in rows if "HCSC, paper" in row)  # the config's rule
    of_digits = dict(zip(titles, next(row for row in rows if row[0] == "digits"), strict=True))
    accuracy, deviation = of_digits["HCSC, paper"].split(" · ")[0].split(" ± ")
    measured = metrics(ENTRIES["hcsc_r18_digits"])
    assert list(measured.values()) == [float(accuracy), float(deviation)]
    assert all(name.endswith("(measured)") for name in measured)


def test_collections_are_complete_and_no_weights_are_promised_that_do_not_exist():
    assert all(
        {"Metadata", "Paper", "README", "Code"} <= set(collection)
        for collection in COLLECTIONS.values()
    )
    assert all((ROOT / collection["README"]).is_file() for collection in COLLECTIONS.values())
    assert all(
        model["In Collection"] in COLLECTIONS and "Weights" not in model
        for model in ENTRIES.values()
    )
