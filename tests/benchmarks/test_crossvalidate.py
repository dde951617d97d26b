import csv
from dataclasses import replace

import crossvalidate
import numpy as np
import pytest
from crossvalidate import SHORT, Data, Variant, cross_validate, read_groups, write_table
from support import NARROW, needs_training, write_encoder

from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import write_png
from segment.classes import CLASSES
from segment.evaluation.evaluate import Counts, Tally
from segment.simulation.scenes import darkfield_scene

STAGES = (replace(SHORT.stages[0], epochs=1, crop=64),)
SMALL = replace(SHORT, stages=STAGES, widths=NARROW, working_size=64)
VARIANTS = {"first": Variant(SMALL), "random": Variant(SMALL, pretrained=False)}


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
def test_variants_are_evaluated_on_what_they_did_not_see(data, tmp_path, monkeypatch):
    folder, table = tmp_path / "runs", tmp_path / "table.csv"
    train, evaluate = crossvalidate.train, crossvalidate.evaluate_pair
    seen, trained, judged = [], [], []

    def stopped(run, recipe, samples, *rest):
        seen.append({sample.name for sample in samples})
        if len(seen) == 3:
            raise KeyboardInterrupt
        if not trained:  # the weights of one training are enough for all
            trained.append(train(run, recipe, samples, *rest))
        return trained[0]

    def noted(pair, *rest):
        judged.append(pair.name)
        return evaluate(pair, *rest)

    monkeypatch.setattr(crossvalidate, "train", stopped)
    monkeypatch.setattr(crossvalidate, "evaluate_pair", noted)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(VARIANTS, data, folder, table)
    cross_validate(VARIANTS, data, folder, table)
    first, second = {"1.png", "3.png"}, {"0.png", "2.png"}
    assert seen == [first, second, first, first, second]
    assert judged == ["0.png", "2.png", "1.png", "3.png"] * 2
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["fold"]) for row in rows] == [
        (variant, fold) for variant in VARIANTS for fold in ("1", "2", "all", "spread")
    ]
    true = [int(row["true_spirochaete"]) for row in rows[:3]]
    assert true[2] == true[0] + true[1]
    # The rows of other variants stay, and what was done is not done again.
    columns, *before = table.read_text().splitlines()
    cross_validate({"first": VARIANTS["first"]}, data, folder, table)
    assert table.read_text().splitlines() == [columns, *before[4:], *before[:4]]
    assert len(seen) == 5


def test_a_single_fold_has_no_row_of_all_together(tmp_path):
    tally = Tally(1, 1, 1, 1, 0, 1, np.ones((3, 15)))
    counts = Counts(np.ones((3, 3), dtype=int), dict.fromkeys(CLASSES[1:], tally))
    write_table(tmp_path / "table.csv", VARIANTS, {"first": [counts]}, [])
    columns, row = (tmp_path / "table.csv").read_text().splitlines()
    assert row.startswith("first,1,1,")


def test_rows_with_fewer_metrics_stay(tmp_path):
    tally = Tally(1, 1, 1, 1, 0, 1, np.ones((3, 15)))
    counts = Counts(np.ones((3, 3), dtype=int), dict.fromkeys(CLASSES[1:], tally))
    earlier = {"variant": "other", "fold": "1", "epoch": "2", "mean_iou": "0.5"}
    write_table(tmp_path / "table.csv", VARIANTS, {"first": [counts]}, [earlier])
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        row, _ = csv.DictReader(file)
    assert row["mean_iou"] == "0.5" and row["wrong_above_0.5"] == ""


def test_groups_are_those_of_a_split(tmp_path):
    (tmp_path / "split.csv").write_text("image,group,part\na.png,3,train\nb.png,0,test\n")
    assert read_groups(tmp_path / "split.csv") == {"a.png": 3, "b.png": 0}
