import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from products import PRODUCTS

from micrograph_networks import __version__
from micrograph_networks.commandline import doctor as module
from micrograph_networks.commandline.doctor import doctor
from micrograph_networks.models.registry import shipped_models

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_version_names_engine_and_models(product):
    main = product.part("commandline.commands").main
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    program, engine, models = result.output.splitlines()
    assert program == f"{product.command} {__version__}"
    assert engine.split() in (["Engine:", "tensorflow"], ["Engine:", "numpy"])
    assert models.endswith(f"{shipped_models(product.architectures)[-1].name} is the default")


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Copy of the plugins folder that is checked."""
    folder = tmp_path / "plugins"
    shutil.copytree(PLUGINS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "_plugins_folder", lambda: folder)
    return folder


def test_doctor_says_that_all_is_well(plugins):
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 0, result.output
    lines = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert f"cellprofiler-focus-darkfield {__version__}" in lines["Version"]
    assert "numpy " in lines["Packages"]
    for model in shipped_models():
        assert f"{model.name} is intact" in result.output
    if find_spec("cellprofiler_core"):
        assert lines["CellProfiler"] == f"finds 2 modules if its plugins directory is {plugins}"
    else:
        assert lines["CellProfiler"].startswith("not installed")


def test_doctor_names_what_is_wrong(plugins, tmp_path, monkeypatch):
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(tmp_path))
    answer = json.dumps({"a": "", "b": "it is incomplete"})
    done = subprocess.CompletedProcess([], 0, f"Loading\n{answer}\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: done)
    result = CliRunner().invoke(doctor)
    assert result.exit_code == 1
    assert f"WRONG: The weights of {shipped_models()[0].name} are missing" in result.output
    assert f"WRONG: {plugins}: b: it is incomplete" in result.output


@pytest.mark.skipif(not find_spec("cellprofiler_core"), reason="CellProfiler is not installed")
def test_modules_that_cellprofiler_does_not_load_are_found(plugins):
    for path, change in zip(sorted(plugins.glob("*.py")), ("raise OSError\n", "VERSION = '0'\n")):
        text = path.read_text("utf-8")
        text = change + text if "raise" in change else text.replace('VERSION = "', 'VERSION = "9.')
        path.write_text(text, "utf-8")
    command = [sys.executable, "-m", "micrograph_networks.cellprofiler.plugin_check", plugins]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "measureimagefocusquality": "CellProfiler does not load it",
        "segmentdarkfieldcells": "it is incomplete",
    }
