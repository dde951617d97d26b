import csv
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from click.testing import CliRunner

from focusqual.commandline.commands import main
from focusqual.report import planes
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image

PATTERN = r"(?P<Well>[A-P]\d\d)_w(?P<Channel>\d)_z(?P<Plane>[-+]?\d+)"
HEAD = "image,score,expected_level,certainty,folder"
ROWS = [
    "A01_w1_z10.tif,5,5.5,0.4,/data/plate",
    "A01_w1_z9.tif,1,0.9,0.5,/data/plate",
    "A01_w1_z-1.tif,4,4.5,0.001,/data/plate",
    "A02_w1_z9.tif,6,6.5,0.6,/data/plate",
    "A02_w1_z10.tif,5,4.5,0.004,/data/plate",
    "A02_w1_z11.tif,,,,/data/plate",
]


@pytest.fixture
def best_planes(tmp_path):
    """A function that runs the command on the rows of a focus.csv."""

    def run(rows=ROWS, *options, head=HEAD, pattern=PATTERN):
        table, output = tmp_path / "focus.csv", tmp_path / "out"
        table.write_text("\n".join([head, *rows]) + "\n")
        arguments = [str(table), "--output", str(output), "--pattern", pattern, *options]
        return CliRunner().invoke(main, ["best-planes", *arguments])

    return run


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_planes_are_grouped_and_sorted(tmp_path):
    path = tmp_path / "focus.csv"
    path.write_text("\n".join([HEAD, *ROWS]) + "\n")
    first, second = planes.read_stacks(path, planes.compile_pattern(PATTERN))[0]
    assert first.tags == {"Well": "A01", "Channel": "1"}
    assert second.tags == {"Well": "A02", "Channel": "1"}
    assert first.planes["number"].tolist() == [-1, 9, 10]
    assert [first.best_plane.number, second.best_plane.number] == [9, 10]
    assert [first.in_focus(0.1), first.in_focus(0.6), second.in_focus(0.1)] == [True, False, False]


def test_the_command_writes_the_best_planes(best_planes, tmp_path):
    result = best_planes(ROWS, "--image-name", "DNA")
    assert result.exit_code == 0, result.output
    assert "1 of 2 stacks have a plane in focus" in result.output
    first, second = read(tmp_path / "out" / "best_planes.csv")
    assert (first["Well"], first["planes"], first["best_image"]) == ("A01", "3", "A01_w1_z9.tif")
    assert (first["best_plane"], first["score"], first["any_in_focus"]) == ("9", "1", "1")
    assert second["any_in_focus"] == "0"
    assert read(tmp_path / "out" / "load_data.csv")[0] == {
        "Image_FileName_DNA": "A01_w1_z9.tif",
        "Image_PathName_DNA": str(Path("/data/plate")),
        "Metadata_Well": "A01",
        "Metadata_Channel": "1",
        "Metadata_Plane": "9",
    }
    assert read_image(tmp_path / "out" / "planes.png").ndim == 3
    assert first["focus_plane"] == first["focus_um"] == ""


def test_the_best_focus_and_the_planes_around_it(best_planes, tmp_path):
    levels = [(0.5 * (plane - 6.25)) ** 2 + 1 for plane in range(1, 10)]
    rows = [
        f"A01_w1_z{plane}.tif,{level:.0f},{level},0.5,/data,{100 + 0.5 * plane}"
        for plane, level in enumerate(levels, 1)
    ]
    result = best_planes(rows, "--around", "4", head=f"{HEAD},stage_z_um")
    assert result.exit_code == 0, result.output
    (best,) = read(tmp_path / "out" / "best_planes.csv")
    assert (best["best_plane"], best["focus_plane"]) == ("6", "6.25")
    assert best["focus_um"] == "103.125"
    assert float(best["focus_um_error"]) < 1e-6
    kept = read(tmp_path / "out" / "load_data.csv")
    assert [row["Metadata_Plane"] for row in kept] == list("23456789")


def test_images_that_do_not_match_or_open_are_reported(best_planes, tmp_path):
    rows = [
        *("A01_w1_z10.tif,5,5.5,0.4,/data,,", "A01_w1_z9.tif,1,0.9,0.5,/data,,"),
        *("a_A02_w1_z0,5,5.5,0.4,/data,a.tif,7", "a_A02_w1_z1,1,0.9,0.5,/data,a.tif,9"),
        *("b_A03_w1_z0,5,5.5,0.4,/data,b.zarr,", "b_A03_w1_z1,1,0.9,0.5,/data,b.zarr,"),
        "blank.tif,5,5,0,/data,,",
    ]
    result = best_planes(rows, head=f"{HEAD},file,frame")
    assert result.exit_code == 1
    assert "/data/blank.tif does not match the pattern" in result.output
    assert "b_A03_w1_z1 is not in load_data.csv" in result.output
    best = read(tmp_path / "out" / "best_planes.csv")
    assert [row["best_image"] for row in best] == ["A01_w1_z9.tif", "a_A02_w1_z1", "b_A03_w1_z1"]
    table = read(tmp_path / "out" / "load_data.csv")
    opened = [(row["Image_FileName_Image"], row["Frame_Image"]) for row in table]
    assert opened == [("A01_w1_z9.tif", "0"), ("a.tif", "9")]


@pytest.mark.parametrize(
    "pattern, sentence",
    [
        ("(?P<Well", "is not a regular expression"),
        (r"(?P<Well>\w+)", r"needs a group (?P<Plane>...)"),
        (r"(?P<Plane>\d+)", "and at least one more named group"),
        (r"(?P<Well>X\d\d)_(?P<Plane>\d)", "matches no path in"),
        (r"A0(?P<Well>\d)_w1_(?P<Plane>.+)\.tif", "'z10', the group Plane, is not a number"),
        (r"(?P<Plate>p)late/A(?P<Plane>nan)?", "'None', the group Plane, is not a number"),
        (r"(?P<Plate>plate)/.*_z(?P<Plane>[-+]?\d+)", "are both plane 9 of the stack plate"),
    ],
)
def test_invalid_patterns_are_refused(best_planes, tmp_path, pattern, sentence):
    result = best_planes(pattern=pattern)
    assert result.exit_code == 2
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "values, sentence",
    [
        ("1,low,0,/,", "its expected_level, 'low', is not a number"),
        ("1,inf,0,/,", "its expected_level is not between 0 and 10"),
        ("-1,1,0,/,", "its score is not between 0 and 10"),
        ("1,1,0,/,high", "its stage_z_um, 'high', is not a number"),
    ],
)
def test_invalid_numbers_are_refused(tmp_path, values, sentence):
    path = tmp_path / "focus.csv"
    path.write_text(f"{HEAD},stage_z_um\nA01_w1_z1.tif,{values}\n")
    with pytest.raises(UserError, match=f"A01_w1_z1.tif: {sentence}"):
        planes.read_stacks(path, planes.compile_pattern(PATTERN))


def test_identifiers_of_stacks_and_planes_stay_text(best_planes, tmp_path):
    plates = ["0012", "012", "12", "NA", "1E5"]
    rows = [f"z{n}.tif,1,{n[-1]},0.5,/d/{p}" for p in plates for n in ("20240108", "007")]
    result = best_planes(rows, pattern=r"(?P<Plate>\w+)/z(?P<Plane>\d+)")
    assert result.exit_code == 0, result.output
    best = read(tmp_path / "out" / "best_planes.csv")
    assert [row["Plate"] for row in best] == plates
    assert [row["best_image"] for row in best] == [f"{plate}/z007.tif" for plate in plates]
    assert {row["best_plane"] for row in best} == {"007"}
    opened = read(tmp_path / "out" / "load_data.csv")
    assert [row["Metadata_Plate"] for row in opened] == plates
    assert [Path(row["Image_PathName_Image"]).name for row in opened] == plates
    result = best_planes(rows[::2], pattern=r"(?P<Plate>\w+)/z(?P<Plane>\d+)")
    best = read(tmp_path / "out" / "best_planes.csv")
    assert {row["best_plane"] for row in best} == {"20240108"}


def test_stacks_without_a_measured_plane_have_no_best_one(best_planes, tmp_path):
    result = best_planes([*ROWS[:3], "A02_w1_z1.tif,,,,/d", "A02_w1_z2.tif,nan,nan,nan,/d"])
    assert result.exit_code == 1
    assert "no plane of the stack A02 1 was measured" in result.output
    _, second = read(tmp_path / "out" / "best_planes.csv")
    assert (second["planes"], second["best_image"], second["best_plane"]) == ("2", "", "")
    assert [row["Metadata_Well"] for row in read(tmp_path / "out" / "load_data.csv")] == ["A01"]


def test_thousands_of_stacks_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(planes, "save_figure", saved := Mock())
    table = pd.DataFrame({"number": [1.0], "expected_level": 1, "score": 1, "certainty": 1})
    table = table.assign(weighted_level=1)
    stacks = [planes.Stack({"Well": str(number)}, table) for number in range(2000)]
    planes.draw_levels(tmp_path / "planes.png", stacks, 0.1)
    ((figure, _),) = (call.args for call in saved.call_args_list)
    assert figure.get_figheight() * 150 < 2**16  # Matplotlib's limit
