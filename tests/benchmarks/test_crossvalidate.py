import csv
from dataclasses import replace

import crossvalidate
import numpy as np
import pytest
from crossvalidate import (
    RANDOM,
    SHORT,
    Data,
    Judged,
    Variant,
    cross_validate,
    read_groups,
    write_table,
)
from support import needs_training, write_encoder

from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import write_png
from micrograph_networks.training.run import read_epochs
from segment.classes import CLASSES
from segment.evaluation.evaluate import Tally
from segment.inference.network import Widths
from segment.simulation.scenes import darkfield_scene

SMALL = replace(
    SHORT,
    stages=(replace(SHORT.stages[0], epochs=2, crop=64),),
    widths=Widths((4,) * 5, (4,) * 5),
    working_size=64,
)
VARIANTS = {
    "first": Variant(SMALL),
    "second": Variant(SMALL, initial="first"),
    "random": Variant(SMALL, initial=RANDOM),
}


@pytest.fixture
def data(tmp_path, rng):
    """Four drawn scenes in two folds."""
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        for number in range(4):
            scene = darkfield_scene(rng, (96, 96))
            write_png(tmp_path / f"{number}.png", scene.image)
            write_png(tmp_path / f"{number}_mask.png", scene.classes)
            table.writerow([f"{number}.png", f"{number}_mask.png"])
    backbone = write_encoder(tmp_path / "backbone.h5", rng)
    names = [f"{number}.png" for number in range(4)]
    groups = dict(zip(names, range(4)))
    return Data(tmp_path / "data.csv", groups, dict(zip(names, (0, 1, 0, 1))), backbone)


@needs_training
def test_variants_are_judged_by_what_they_did_not_see_and_go_on(data, tmp_path, monkeypatch):
    monkeypatch.setattr("segment.training.train.PRUNING_BATCHES", 1)
    folder, table = tmp_path / "runs", tmp_path / "table.csv"
    train, evaluate, seen = crossvalidate.train, crossvalidate.evaluate_pair, []

    def stopped(run, recipe, parts, *rest):
        seen.append({sample.name for sample in parts.train})
        if len(seen) == 3:
            raise KeyboardInterrupt
        return train(run, recipe, parts, *rest)

    monkeypatch.setattr(crossvalidate, "train", stopped)
    judged = []
    monkeypatch.setattr(
        crossvalidate,
        "evaluate_pair",
        lambda pair, *rest: judged.append(pair.name) or evaluate(pair, *rest),
    )
    with pytest.raises(KeyboardInterrupt):
        cross_validate(VARIANTS, data, folder, table)
    cross_validate(VARIANTS, data, folder, table)
    learners = [{"1.png", "3.png"}, {"0.png", "2.png"}]
    assert seen == learners + [learners[0]] + learners * 2
    assert judged == ["0.png", "2.png", "1.png", "3.png"] * 3
    assert len(read_epochs(folder / "second" / "fold_2" / "training.csv")) == 2
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["fold"]) for row in rows] == [
        (variant, fold) for variant in VARIANTS for fold in ("1", "2", "all", "spread")
    ]
    true = [int(row["true_spirochaete"]) for row in rows[:3]]
    assert true[2] == true[0] + true[1]


@needs_training
def test_rows_of_other_variants_stay(data, tmp_path, monkeypatch):
    monkeypatch.setattr("segment.training.train.PRUNING_BATCHES", 1)
    path, tables = tmp_path / "table.csv", []
    for name in ("first", "random", "first"):
        cross_validate({name: VARIANTS[name]}, data, tmp_path / "runs", path)
        tables.append(path.read_text().splitlines())
    first, both, again = tables
    assert len(first) == 5
    assert both[:5] == first
    assert [row.partition(",")[0] for row in both[5:]] == ["random"] * 4
    assert again == [both[0], *both[5:], *first[1:]]


def test_a_single_fold_has_no_row_of_all_together(tmp_path):
    tally = Tally(1, 1, 1, 1, 0, 1, np.ones((3, 15)))
    judged = Judged(np.ones((3, 3), dtype=int), dict.fromkeys(CLASSES[1:], tally))
    folds = []
    for count in (1, 2):
        write_table(tmp_path / "table.csv", VARIANTS, {"first": [judged] * count}, [])
        rows = (tmp_path / "table.csv").read_text().splitlines()[1:]
        folds.append([row.split(",")[1] for row in rows])
    assert folds == [["1"], ["1", "2", "all", "spread"]]


def test_groups_are_those_of_a_split(tmp_path):
    (tmp_path / "split.csv").write_text("image,group,part\na.png,3,train\nb.png,0,test\n")
    assert read_groups(tmp_path / "split.csv") == {"a.png": 3, "b.png": 0}
