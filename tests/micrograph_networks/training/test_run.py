import os

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.training.run import TrainingRun, read_epochs

COLUMNS = ("image", "part")


class Model:
    """Saved as a text."""

    def save(self, path):
        path.write_text("a model")


def test_another_recipe_is_refused(tmp_path):
    TrainingRun(tmp_path, {"seed": 1, "classes": ("a", "b")}).keep_split(COLUMNS, [])
    TrainingRun(tmp_path, {"seed": 1, "classes": ("a", "b")})
    with pytest.raises(UserError, match=r"recipe\.json is of a run with other seed: repeat"):
        TrainingRun(tmp_path, {"seed": 2, "classes": ("a", "b")})


@pytest.mark.parametrize("content", ["[1]", "no JSON", "[" * 100_000], ids=["list", "text", "deep"])
def test_a_damaged_recipe_is_named(tmp_path, content):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(UserError, match=r"recipe\.json is not the recipe of a training"):
        TrainingRun(tmp_path, {"seed": 1})


def test_an_image_cannot_change_its_part(tmp_path):
    run = TrainingRun(tmp_path, {})
    run.keep_split(COLUMNS, [("a.png", "train"), ("b.png", "validation")])
    before = (tmp_path / "split.csv").read_bytes()
    run.keep_split(COLUMNS, [("a.png", "train"), ("b.png", "validation")])
    with pytest.raises(UserError, match=r"split\.csv is of a run on other images"):
        run.keep_split(COLUMNS, [("a.png", "validation"), ("b.png", "train")])
    assert (tmp_path / "split.csv").read_bytes() == before


def test_each_epoch_is_logged_and_replaces_the_checkpoint(tmp_path):
    run = TrainingRun(tmp_path, {})
    for number in (1, 2):
        run.end_epoch(Model(), {"epoch": number, "loss": 0.5})
    assert [path.name for path in tmp_path.glob("*.keras")] == ["checkpoint_0002.keras"]
    assert (tmp_path / "training.csv").read_text().split() == ["epoch,loss", "1,0.5", "2,0.5"]
    assert run.epochs == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.5}]


def test_epochs_without_a_checkpoint_are_forgotten(tmp_path):
    run = TrainingRun(tmp_path, {})
    run.end_epoch(Model(), {"epoch": 1, "loss": 0.5})
    (tmp_path / "checkpoint_0001.keras").unlink()
    assert run.resume() == (None, 0)
    assert read_epochs(tmp_path / "training.csv") == []


@pytest.mark.parametrize("log", ["epoch;loss\n1;0,5\n", "epoch,loss\n1,low\n", "loss\n1\n", ""])
def test_a_damaged_log_is_named(tmp_path, log):
    (tmp_path / "training.csv").write_text(log)
    with pytest.raises(UserError, match=r"training\.csv (is damaged|has )"):
        read_epochs(tmp_path / "training.csv")


def test_a_damaged_checkpoint_is_named(tmp_path):
    pytest.importorskip("keras")
    run = TrainingRun(tmp_path, {})
    run.end_epoch(Model(), {"epoch": 1, "loss": 0.5})
    with pytest.raises(UserError, match=r"checkpoint_0001\.keras cannot be read .*delete it"):
        run.resume()


def test_a_new_run_needs_an_empty_folder(tmp_path):
    (tmp_path / ".lock").write_text("")
    TrainingRun(tmp_path, {})
    (tmp_path / "training.csv").write_text("mine")
    with pytest.raises(UserError, match="contains files that are not of a training: choose an em"):
        TrainingRun(tmp_path, {})
    assert (tmp_path / "training.csv").read_text() == "mine"


def test_names_that_are_not_utf_8_are_known_again(tmp_path):
    run = TrainingRun(tmp_path, {})
    for _ in range(2):
        run.keep_split(COLUMNS, [(os.fsdecode(b"\xff.png"), "train")])
