import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.training.run import TrainingRun

COLUMNS = ("image", "part")


class Model:
    """Saved as its number of epochs."""

    def save(self, path):
        path.write_text("a model")


def test_another_recipe_is_refused_and_what_differs_is_named(tmp_path):
    TrainingRun(tmp_path, {"seed": 1, "classes": ("a", "b")}).keep_split(COLUMNS, [])
    TrainingRun(tmp_path, {"seed": 1, "classes": ("a", "b")})
    with pytest.raises(UserError, match=r"recipe\.json is of a run with other seed: give the same"):
        TrainingRun(tmp_path, {"seed": 2, "classes": ("a", "b")})


@pytest.mark.parametrize("content", ["[1]", "no JSON"])
def test_a_damaged_recipe_is_named(tmp_path, content):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(UserError, match=r"recipe\.json is no recipe"):
        TrainingRun(tmp_path, {"seed": 1})


def test_an_image_cannot_change_its_part(tmp_path):
    run = TrainingRun(tmp_path, {})
    run.keep_split(COLUMNS, [("a.png", "train"), ("b.png", "validation")])
    before = (tmp_path / "split.csv").read_bytes()
    run.keep_split(COLUMNS, [("a.png", "train"), ("b.png", "validation")])
    with pytest.raises(UserError, match=r"split\.csv is of a run on other images"):
        run.keep_split(COLUMNS, [("a.png", "validation"), ("b.png", "train")])
    assert (tmp_path / "split.csv").read_bytes() == before


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path):
    run = TrainingRun(tmp_path, {})
    for number in (1, 2):
        run.end_epoch(Model(), {"epoch": number, "loss": 0.5})
    assert [path.name for path in tmp_path.glob("*.keras")] == ["checkpoint_0002.keras"]
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2]
