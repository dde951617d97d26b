import io
import os
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from products import PRODUCTS

from micrograph_networks.commandline.commands import (
    FILES,
    Commands,
    Number,
    each_image,
    example,
    export_command,
    models_command,
    prepare_outputs,
)
from micrograph_networks.errors import UserError
from micrograph_networks.models.registry import shipped_models


def test_user_error_is_one_sentence_and_exit_code_2():
    @click.group(cls=Commands)
    def main():
        pass

    @main.command(epilog=example("main fail a.png\nmain fail b.png"))
    def fail():
        raise UserError("a.png is empty.")

    result = CliRunner().invoke(main, ["fail"])
    assert result.exit_code == 2
    assert result.output.endswith("Error: a.png is empty.\n")
    help = CliRunner().invoke(main, ["fail", "--help"]).output
    assert "Examples:\n    main fail a.png\n    main fail b.png" in help


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["x" * 300, "1"], "cannot be used (File name too long): check the path"),
        (["", "1"], "the path is empty"),
        (["a.png", "nan"], "nan is not a number"),
        (["a.png", "inf"], "inf is not a number"),
        (["a.png", "-1"], "-1.0 is not in the range x>=0"),
    ],
)
def test_wrong_paths_and_numbers_are_one_sentence(arguments, sentence):
    @click.group(cls=Commands)
    def main():
        pass

    @main.command()
    @click.argument("path", type=FILES)
    @click.argument("number", type=Number(0))
    def look(path, number):
        path.stat()

    result = CliRunner().invoke(main, ["look", "--", *arguments])
    assert result.exit_code == 2
    assert sentence in result.output


def test_consoles_show_characters_that_they_lack_as_escapes(monkeypatch):
    @click.group(cls=Commands)
    def main():
        pass

    @main.command()
    def say():
        click.echo("\u4e2d\udcff")

    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    main(["say"], standalone_mode=False)
    console.flush()
    assert console.buffer.getvalue() == rb"\u4e2d\udcff" + os.linesep.encode()


def test_failed_images_are_named_and_the_others_are_processed(capsys):
    def process(path):
        if path.stem == "b":
            raise UserError("It is empty.")
        if path.stem == "c":
            raise MemoryError
        return path.stem

    paths = [Path("a.png"), Path("b.png"), Path("c.png"), Path("d.png")]
    assert list(each_image(paths, process)) == [(paths[0], "a"), (paths[3], "d")]
    printed = capsys.readouterr().err
    assert "Error: b.png: It is empty." in printed
    assert "Error: c.png: The memory does not suffice" in printed


def test_tables_are_not_written_if_all_images_fail(capsys):
    def fail(path):
        raise UserError("It is empty.")

    with pytest.raises(click.exceptions.Exit) as exit:
        list(each_image([Path("a.png")], fail))
    assert exit.value.exit_code == 1
    assert "Every image failed: nothing was written." in capsys.readouterr().out


def test_outputs_are_checked_before_anything_is_made(tmp_path):
    paths = [tmp_path / "out" / name for name in ("a.png", "b/a.png")]
    assert prepare_outputs(tmp_path / "out", paths) == tmp_path / "out"
    assert (tmp_path / "out" / "b").is_dir()
    with pytest.raises(UserError, match=r"A.png would be written twice"):
        prepare_outputs(tmp_path / "new", [tmp_path / "new" / name for name in ("A.png", "a.png")])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_models_are_listed_and_verified(product, tmp_path, monkeypatch):
    model = shipped_models(product.architectures)[-1]
    command = models_command("program", product.architectures)
    result = CliRunner().invoke(command)
    assert result.exit_code == 0
    for line in (model.name, f"  file     {model.path}", f"  SHA-256  {model.sha256}"):
        assert line in result.output.splitlines()
    assert model.card.is_file()
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(tmp_path))
    model.path.write_bytes(b"")
    result = CliRunner().invoke(command)
    assert result.exit_code == 1
    assert f"{model.path} of {model.name} differ from their SHA-256" in result.output


def test_export_names_the_missing_package(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "micrograph_networks.export.bioimageio", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    command = export_command("program", {}, zoo_model=None)
    result = CliRunner().invoke(command, ["--output", str(tmp_path)])
    assert "needs the package tensorflow" in str(result.exception)
    assert "[cpu,zoo]" in str(result.exception)
