import csv
from pathlib import Path

import numpy as np
import pytest
from support import focus_model

from focusqual import FocusOptions
from focusqual.evaluation import stacks
from focusqual.evaluation.scores import area_under_curve
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import write_tiff


def measured(stack, position, level, certainty=1.0, kind="fluorescence", focus=0.0, depth=2.0):
    plane = stacks.KnownPlane(f"{stack}{position}", Path("a"), stack, kind, position, focus, depth)
    return stacks.MeasuredPlane(plane, round(level), level, certainty, -level, 10 - level)


@pytest.fixture
def folder(tmp_path):
    """Images of two stacks of three planes."""
    for name in "abcdef":
        write_tiff(tmp_path / f"{name}.tif", np.eye(90, dtype=np.uint16))
    return tmp_path


def write_table(folder, *rows, columns="image,stack,position,focus"):
    path = folder / "stacks.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_planes_are_read_by_stack_and_position(folder):
    rows = ("c.tif,s,4,2", "a.tif,s,0,2", "e.tif,r,10,5", "b.tif,s,1.5,2", "d.tif,r,5,5")
    planes = stacks.read_planes(folder, write_table(folder, *rows))
    assert [plane.name for plane in planes] == ["d.tif", "e.tif", "a.tif", "b.tif", "c.tif"]
    assert [plane.distance for plane in planes] == [0, 5, 2, 0.5, 2]
    assert [plane.depth_of_field for plane in planes] == [5, 5, 2, 2, 2]


def test_depth_of_field_comes_from_the_optics(folder):
    table = write_table(
        folder,
        *("a.tif,s,0,0,0.1,0.75,0.6,1.33", "b.tif,s,1,0,0.1,0.75,0.6,1.33"),
        columns="image,stack,position,focus,pixel_size,numerical_aperture,wavelength,"
        "refractive_index",
    )
    planes = stacks.read_planes(folder, table)
    assert planes[0].depth_of_field == pytest.approx(0.6 * 1.33 / 0.75**2)


@pytest.mark.parametrize(
    "rows, sentence",
    [
        ([], "has no rows: give a CSV with the columns image, stack, position, focus"),
        (["a.tif,s,0,0", "a.tif,s,1,0"], "names a.tif more than once"),
        (["a.tif,s,0,0", "z.tif,s,1,0"], "z.tif does not exist: the paths are relative to"),
        (["a.tif,s,0,0", "b.tif,s,top,0"], "'top' in the column position is no number"),
        (["a.tif,s,0,0", "b.tif,s,1"], "'' in the column focus is no number"),
        (["a.tif,s,0,0", "b.tif,s,0,0"], "The stack s has planes at one position only"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(folder, rows, sentence):
    table = write_table(folder, *rows)
    with pytest.raises(UserError, match="stacks.csv") as caught:
        stacks.read_planes(folder, table)
    assert sentence in str(caught.value)


def test_a_table_that_is_missing_is_named(folder):
    with pytest.raises(UserError, match="none.csv does not exist"):
        stacks.read_planes(folder, folder / "none.csv")


def test_figures_of_known_measures():
    planes = [
        *(measured("a", z, level) for z, level in [(-8, 7), (-4, 4), (0, 1), (4, 2), (8, 6)]),
        *(measured("b", z, level) for z, level in [(-8, 2), (-4, 3), (0, 5), (4, 4), (8, 6)]),
    ]
    ours, *_ = stacks.compare(planes)
    assert ours["kind"] == "all"
    assert (ours["stacks"], ours["planes"]) == (2, 10)
    assert ours["best_plane_right"] == ours["best_plane_within_one"] == 0.5
    # Of 2 planes in focus, levels 1 and 5, and 8 out of focus, 2 of which are sharper than 5.
    outside = [7, 4, 2, 6, 2, 3, 4, 6]
    expected = (8 + sum(level > 5 for level in outside)) / 16
    assert ours["in_out_auc"] == pytest.approx(expected)
    assert (ours["in_focus_planes"], ours["in_focus_score_0_or_1"]) == (2, 0.5)
    assert (ours["far_out_planes"], ours["far_out_score_3_or_more"]) == (4, 0.75)
    distances = [8, 4, 0, 4, 8]
    ranks = [stacks.spearmanr(x, distances)[0] for x in ([7, 4, 1, 2, 6], [2, 3, 5, 4, 6])]
    assert ours["spearman"] == pytest.approx(np.mean(ranks))


def test_kinds_are_compared_apart_where_there_are_several():
    planes = [
        *(measured("a", z, level) for z, level in [(0, 0), (4, 3)]),
        *(measured("b", z, level, kind="bright-field") for z, level in [(0, 3), (4, 0)]),
    ]
    right = {
        row["kind"]: row["best_plane_right"]
        for row in stacks.compare(planes)
        if row["method"] == "expected level"
    }
    assert right == {"all": 0.5, "bright-field": 0, "fluorescence": 1}


def test_the_best_plane_is_off_by_the_planes_between():
    # The focus lies between the planes at 0 and 2: either is right.
    levels = [(-4, 5), (-2, 1), (0, 2), (2, 3)]
    planes = [measured("a", z, level, focus=1.0) for z, level in levels]
    figures = stacks.stack_figures(planes)
    assert {figure.planes_off for figure in figures} == {1}
    assert {figure.best.position for figure in figures} == {-2}


def test_area_under_the_curve_counts_ties_as_half():
    truth = np.array([True, True, False, False])
    assert area_under_curve(truth, np.array([2.0, 1.0, 1.0, 0.0])) == 0.875


def test_a_plane_is_measured_as_the_image_is(folder):
    table = write_table(folder, "a.tif,s,0,0", "b.tif,s,1,0")
    (plane, _) = stacks.read_planes(folder, table)
    found = stacks.measure_plane(plane, focus_model(), FocusOptions())
    assert 0 <= found.score <= 10
    assert found.laplacian_variance > 0


def test_the_command_writes_its_tables_and_picture(folder):
    from click.testing import CliRunner

    from focusqual.commandline.commands import main

    table = write_table(folder, *(f"{n}.tif,{n > 'c'},{ord(n)},98" for n in "abcdef"))
    out = folder / "out"
    arguments = ["evaluate", folder, "--stacks", table, "--output", out]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        *("planes.csv", "stacks.csv", "evaluation.csv", "stacks.png")
    }
    with open(out / "planes.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    with open(out / "stacks.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    refused = CliRunner().invoke(main, [*map(str, arguments), "--z-planes"])
    assert "Give only one of" in refused.output


def test_stacks_of_real_planes(data_folder):
    folder = data_folder / "focus_stacks"
    planes = stacks.read_planes(folder, folder / "stacks.csv")
    smear = [plane for plane in planes if plane.stack == "smear"]
    found = [stacks.measure_plane(p, focus_model(), FocusOptions()) for p in smear]
    (ours, slope, laplacian) = stacks.stack_figures(found)
    assert ours.planes_off == slope.planes_off == laplacian.planes_off == 0
    assert ours.spearman > 0.98
