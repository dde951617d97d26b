import hashlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from products import PRODUCTS

from micrograph_networks.commandline.commands import (
    Commands,
    check_unique_stems,
    each_image,
    example,
    export_command,
    models_command,
)
from micrograph_networks.errors import UserError
from micrograph_networks.models.registry import shipped_models


def test_a_users_mistake_is_one_sentence_and_exit_code_2():
    @click.group(cls=Commands)
    def main():
        pass

    @main.command(epilog=example("main fail a.png\nmain fail b.png"))
    def fail():
        raise UserError("a.png is empty.")

    result = CliRunner().invoke(main, ["fail"])
    assert result.exit_code == 2
    assert result.output.endswith("Error: a.png is empty.\n")
    assert "Examples:\n    main fail a.png\n    main fail b.png" in (
        CliRunner().invoke(main, ["fail", "--help"]).output
    )


def test_an_image_that_fails_is_named_and_the_others_go_on(capsys):
    def process(path):
        if path.stem == "b":
            raise UserError("It is empty.")
        return path.stem

    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    assert list(each_image(paths, process)) == [(paths[0], "a"), (paths[2], "c")]
    assert "Error: b.png: It is empty." in capsys.readouterr().err


def test_images_of_one_stem_are_refused():
    check_unique_stems([Path("a/x.png"), Path("a/y.png")])
    with pytest.raises(UserError, match=r"a/x\.png and b/x\.tif would write the same files"):
        check_unique_stems([Path("a/x.png"), Path("b/x.tif")])


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_shipped_models_are_listed_and_verified(product, tmp_path, monkeypatch):
    name = shipped_models(product.architectures)[-1].name
    command = models_command("program", product.architectures)
    result = CliRunner().invoke(command)
    assert result.exit_code == 0
    assert name in result.output.splitlines()
    lines = result.output.splitlines()
    first = lines.index(name) + 1
    listed = dict(line.split() for line in lines[first : first + 3])
    assert listed["file"].endswith(f"model_weights/{name}.h5")
    assert listed["SHA-256"] == hashlib.sha256(Path(listed["file"]).read_bytes()).hexdigest()
    assert Path(listed["card"]).is_file()
    assert f"size     {Path(listed['file']).stat().st_size} bytes" in result.output
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(tmp_path))
    (tmp_path / f"{name}.h5").write_bytes(b"")
    result = CliRunner().invoke(command)
    assert result.exit_code == 1
    assert f"{tmp_path / name}.h5 of {name} differ from their SHA-256" in result.output


def test_an_image_that_no_memory_can_hold_is_named(capsys):
    def process(path):
        raise MemoryError

    assert list(each_image([Path("a.png")], process)) == []
    assert "Error: a.png: The memory does not suffice" in capsys.readouterr().err


def test_export_names_the_missing_package(tmp_path):
    def zoo_model(model):
        raise ModuleNotFoundError("No module named 'tf2onnx'", name="tf2onnx")

    command = export_command("program", {}, zoo_model)
    result = CliRunner().invoke(command, ["--output", str(tmp_path)])
    assert "needs the package" in str(result.exception)
    assert "[cpu,zoo]" in str(result.exception)
