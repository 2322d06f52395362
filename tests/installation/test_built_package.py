"""What an installation carries: configs, tools and the model index, and all of the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny import ROOT


def run(*command, cwd=None, **environment):
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def files_below(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The files of a wheel, as they lie in site-packages."""
    folder = tmp_path_factory.mktemp("site")
    done = run(sys.executable, "setup.py", "-q", "build_py", "--build-lib", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


def test_configs_and_tools_lie_where_openmmlab_looks_for_them(built):
    inside = built / "hcsc_mm" / ".mim"
    assert files_below(inside / "configs") == files_below(ROOT / "configs")
    assert files_below(inside / "tools") == files_below(ROOT / "tools")
    assert os.access(inside / "tools" / "dist_train.sh", os.X_OK)


def test_model_index_lies_inside_and_names_files_that_do(built):
    inside = built / "hcsc_mm" / ".mim"
    index = yaml.safe_load((inside / "model-index.yml").read_text())
    models = [
        model
        for metafile in index["Import"]
        for model in yaml.safe_load((inside / metafile).read_text())["Models"]
    ]
    assert len(models) > 5
    assert all((inside / model["Config"]).is_file() for model in models)


def test_whatever_lies_in_the_package_is_carried_and_nothing_else(built):
    carried = {name for name in files_below(built / "hcsc_mm") if not name.startswith(".mim/")}
    assert carried == files_below(ROOT / "hcsc_mm")
    assert {path.name for path in built.iterdir()} == {"hcsc_mm", "hcsc_mm_command.py"}
    assert not list(built.rglob("__pycache__"))


def test_command_lists_the_same_tools_as_in_a_clone(built):
    installed = run(sys.executable, built / "hcsc_mm_command.py", "--help")
    clone = run(sys.executable, ROOT / "hcsc_mm_command.py", "--help")
    assert installed.returncode == 0
    assert installed.stdout == clone.stdout


def test_configs_work_from_the_installed_place(built, tmp_path):
    (tmp_path / "mine.py").write_text('_base_ = "hcsc_mm::hcsc_r18_digits.py"\nlr = 0.03\n')
    program = (
        "from hcsc_mm.runtime.launch import load_config\n"
        "from hcsc_mm.stages.plan import stages_of\n"
        "cfg = load_config('mine.py')\n"
        "print(*(stage.config for stage in stages_of(cfg, 'mine.py')), sep='\\n')\n"
    )
    done = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=built)
    assert done.returncode == 0, done.stderr
    stages = done.stdout.split()
    folder = built / "hcsc_mm/.mim/configs/benchmarks"
    assert stages and all(Path(stage).parent == folder for stage in stages)
