import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from support import focus_model

from focusqual import FocusOptions
from focusqual.evaluation import plots, stacks
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image, write_tiff


def measured(*groups, focus=0.0):
    """Measured planes of stacks, each of a name, a kind, and pairs of position and level."""
    rows = [
        {
            "image": f"{stack}{position}",
            "stack": stack,
            "kind": kind,
            "position": position,
            "focus": focus,
            "distance": abs(position - focus),
            "depths_of_field": abs(position - focus) / 2,
            "score": round(level),
            "expected_level": level,
            "certainty": 1.0,
            "level_depth": np.nan,
            "expected_defocus_um": np.nan,
            "power_log_log_slope": -level,
            "laplacian_variance": 10 - level,
        }
        for stack, kind, planes in groups
        for position, level in planes
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def folder(tmp_path):
    for name in "abcdef":
        write_tiff(tmp_path / f"{name}.tif", np.eye(90, dtype=np.uint16))
    return tmp_path


def write_table(folder, *rows, columns="image,stack,position,focus"):
    path = folder / "stacks.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_planes_are_read_by_stack_and_position(folder):
    rows = ("c.tif,s,4,2", "a.tif,s,0,2", "e.tif,r,10,5", "b.tif,s,1.5,2", "d.tif,r,5,5")
    planes = stacks.read_planes(write_table(folder, *rows))
    assert planes["image"].tolist() == ["d.tif", "e.tif", "a.tif", "b.tif", "c.tif"]
    assert planes["distance"].tolist() == [0, 5, 2, 0.5, 2]
    assert planes["depth_of_field"].tolist() == [5, 5, 2, 2, 2]


def test_depth_of_field_comes_from_the_optics(folder):
    table = write_table(
        folder,
        *("a.tif,s,0,0,0.1,0.75,0.6,1.33", "b.tif,s,1,0,0.1,0.75,0.6,1.33"),
        columns="image,stack,position,focus,pixel_size,numerical_aperture,wavelength,"
        "refractive_index",
    )
    depth = stacks.read_planes(table)["depth_of_field"][0]
    assert depth == pytest.approx(0.6 * 1.33 / 0.75**2)


@pytest.mark.parametrize(
    "rows, sentence",
    [
        ([], "has no rows: give a CSV with the columns image, stack, position, focus"),
        (["a.tif,s,0,0", "a.tif,s,1,0"], "a.tif is named more than once"),
        (["a.tif,s,0,0", "./a.tif,s,1,0"], "./a.tif is named more than once"),
        (["a.tif,s,0,0", "z.tif,s,1,0"], "z.tif does not exist: the paths are relative to"),
        (["a.tif,s,0,0", "b.tif,s,top,0"], "'top' in the column position is not a number"),
        (["a.tif,s,0,0", "b.tif,s,1"], "'' in the column focus is not a number"),
        (["a.tif,s,0,0", "b.tif,s,0,0"], "The stack s has planes at one position only"),
    ],
)
def test_wrong_tables_are_refused(folder, rows, sentence):
    with pytest.raises(UserError, match="stacks.csv") as caught:
        stacks.read_planes(write_table(folder, *rows))
    assert sentence in str(caught.value)


def test_planes_that_are_not_measured_are_named(folder):
    write_tiff(folder / "b.tif", np.full((90, 90), np.nan, np.float32))
    planes = stacks.read_planes(write_table(folder, "a.tif,s,0,0", "b.tif,s,1,0"))
    with pytest.raises(UserError, match="b.tif cannot be measured by all methods: leave it out"):
        stacks.measure_planes(planes, focus_model(), FocusOptions())


def test_figures_of_known_measures():
    planes = measured(
        ("a", "fluorescence", [(-8, 7), (-4, 4), (0, 1), (4, 2), (8, 6)]),
        ("b", "fluorescence", [(-8, 2), (-4, 3), (0, 5), (4, 4), (8, 6)]),
    )
    compared = stacks.compare(planes)
    ours = compared.iloc[0]
    assert set(compared["kind"]) == {"all"}
    assert (ours["stacks"], ours["planes"]) == (2, 10)
    assert ours["best_plane_right"] == ours["best_plane_within_one"] == 0.5
    # 2 planes in focus have the levels 1 and 5; of 8 planes out of focus, a tie counts as half.
    outside = [7, 4, 2, 6, 2, 3, 4, 6]
    expected = (8 + sum(level > 5 for level in outside)) / 16
    assert ours["in_out_auc"] == pytest.approx(expected)
    assert (ours["in_focus_planes"], ours["in_focus_score_0_or_1"]) == (2, 0.5)
    assert (ours["far_out_planes"], ours["far_out_score_3_or_more"]) == (4, 0.75)
    distances = [8, 4, 0, 4, 8]
    ranks = [spearmanr(x, distances)[0] for x in ([7, 4, 1, 2, 6], [2, 3, 5, 4, 6])]
    assert ours["spearman"] == pytest.approx(np.mean(ranks))
    assert "far_out_planes" in stacks.as_text(compared)
    sharp = stacks.compare(planes[planes["distance"] == 0])
    assert sharp["in_out_auc"].isna().all()


def test_predicted_defocus_is_compared_in_micrometers(tmp_path):
    planes = measured(("a", "beads", [(-30, 9), (-8, 3), (-4, 1.5), (0, 0), (4, 2.5), (8, 5)]))
    assert stacks.defocus_accuracy(planes) == {}
    assert "defocus_slope" not in stacks.compare(planes)
    known = planes.assign(level_depth=2.0, expected_defocus_um=2 * planes["expected_level"])
    figures = stacks.defocus_accuracy(known)  # at 30 um, beyond 10 levels of 2 um, levels end
    assert figures["defocus_planes"] == 5
    assert figures["defocus_slope"] == pytest.approx(1)
    assert figures["defocus_mean_absolute_error_um"] == pytest.approx((2 + 1 + 0 + 1 + 2) / 5)
    assert stacks.compare(known)["defocus_slope"][0] == pytest.approx(1)
    plots.draw_defocus(tmp_path / "defocus.png", known)
    assert read_image(tmp_path / "defocus.png").std() > 10


@pytest.mark.parametrize(
    "options, depth",
    [
        (FocusOptions(), 2 * 0.5 / 0.65 / (1.0 / 0.5)),
        (FocusOptions(scale=0.5), 2 * 0.5 / 0.65 / (1.0 / 0.5 * 0.5)),
        (
            FocusOptions(
                rescaling="objective", pixel_size=0.65, numerical_aperture=0.5, wavelength=0.5
            ),
            2,
        ),
    ],
)
def test_defocus_is_measured_with_the_optics_of_the_table_or_the_options(folder, options, depth):
    columns = "image,stack,position,focus,pixel_size,numerical_aperture,wavelength"
    rows = ("a.tif,s,0,0,0.5,1,0.5,1.5", "b.tif,s,1,0,0.5,1,0.5,1.5")
    table = write_table(folder, *rows, columns=columns + ",refractive_index")
    found = stacks.measure_planes(stacks.read_planes(table), focus_model(), options)
    index = 1 if options.optics else 1.5
    expected = found["expected_level"] * depth * index
    np.testing.assert_allclose(found["expected_defocus_um"], expected)


def test_kinds_are_compared_separately():
    planes = measured(
        ("a", "fluorescence", [(0, 0), (4, 3)]), ("b", "bright-field", [(0, 3), (4, 0)])
    )
    ours = stacks.compare(planes).query("method == 'expected level'").set_index("kind")
    right = ours["best_plane_right"].to_dict()
    assert right == {"all": 0.5, "bright-field": 0, "fluorescence": 1}


def test_the_distance_of_the_best_plane_is_counted_in_planes():
    # The focus lies between the planes at 0 and 2: either is right.
    planes = measured(("a", "beads", [(-4, 5), (-2, 1), (0, 2), (2, 3)]), focus=1.0)
    figures = stacks.compare_by_stack(planes)
    assert set(figures["planes_off"]) == {1}
    assert set(figures["best_position"]) == {-2}


def test_real_stack_is_ranked_by_its_focus(data_folder):
    planes = stacks.read_planes(data_folder / "focus_stacks" / "stacks.csv")
    smear = planes[planes["stack"] == "smear"]
    found = stacks.measure_planes(smear, focus_model(), FocusOptions())
    figures = stacks.compare_by_stack(found)
    assert figures["planes_off"].tolist() == [0, 0, 0]
    assert figures["spearman"][0] > 0.98
