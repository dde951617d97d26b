"""Test MeasureImageFocusQuality as CellProfiler uses it."""

import json
import re
import shutil
from pathlib import Path

import imageio
import numpy as np
import pandas as pd
import pytest
import tifffile
from cellprofiler_core.constants.measurement import (
    COLTYPE_INTEGER,
    IMAGE,
    MCA_AVAILABLE_POST_GROUP,
)
from cellprofiler_core.image import Image
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.utilities.core.modules import instantiate_module
from cellprofiler_core.workspace import Workspace
from click.testing import CliRunner
from harness import (
    CELLPROFILER_5,
    COMMAND,
    ROOT,
    GivenImages,
    assert_declared_is_written,
    assert_valid_and_portable,
    displayed,
    make_workspace,
    run_cellprofiler,
    run_in_process,
    run_in_workers,
    with_report,
)
from matplotlib.backend_bases import MouseEvent
from scipy.ndimage import gaussian_filter
from support import measure, until

from focusqual import FocusOptions
from focusqual.commandline.commands import main
from focusqual.inference.options import UNIFORM
from focusqual.inference.picture import annotate, stretch
from micrograph_networks.images.image_files import read_image

DIALOGS = "micrograph_networks.cellprofiler.dialogs."
PIPELINES = ROOT / "example_pipelines"
PIPELINE, RANK, BEST = (
    PIPELINES / f"{name}.cppipe" for name in ("focus_qc", "focus_rank_planes", "focus_best_planes")
)
needs_load_data = pytest.mark.skipif(
    CELLPROFILER_5, reason="its LoadData and SaveImages fail with current packages"
)


@pytest.fixture
def module():
    """A new module that measures the image DNA."""
    return new_module()


@pytest.fixture(scope="module")
def scene():
    """Blobs, 200 pixels high and 190 wide: 3 x 3 patches, of which the last ones overlap."""
    noise = np.random.default_rng(0).random((200, 190), dtype=np.float32)
    blobs = gaussian_filter(noise, 3)
    return (blobs - blobs.min()) / np.ptp(blobs)


@pytest.fixture(scope="module")
def everything(scene):
    """Module and workspace of a run with all outputs, objects and the display window."""
    module = new_module()
    want_everything(module)
    module.show_window = True
    labels = np.zeros(scene.shape, int)
    labels[10:20, 10:20] = 1
    labels[80:88, 40:50] = 2
    workspace = run(module, scene, {"Nuclei": labels, "Cells": 0 * labels})
    return module, workspace


def new_module():
    module = instantiate_module("MeasureImageFocusQuality")
    module.image_groups[0].image_name.value = "DNA"
    return module


def run(module, image, labels=None, **images):
    """Run a module on an image, and return the workspace."""
    workspace = make_workspace(module, {"DNA": image, **images}, labels)
    module.run(workspace)
    return workspace


def image_value(workspace, feature, image="DNA"):
    return workspace.measurements.get_current_image_measurement(f"ImageFocus_{feature}_{image}")


def object_values(workspace, objects, feature):
    return workspace.measurements.get_current_measurement(objects, feature)


def want_everything(module):
    group = module.image_groups[0]
    group.wants_patches.value = True
    group.wants_level_image.value = True
    group.wants_certainty_image.value = True
    group.wants_annotated_image.value = True
    module.wants_objects.value = True
    module.objects_list.value = "Nuclei, Cells"


def want_objective(module):
    module.rescaling.value = "To match the objective"
    module.pixel_size.value = 0.325
    module.numerical_aperture.value = 0.75


def want_two_images(module):
    module.add_image()
    module.image_groups[1].image_name.value = "Actin"
    for group in module.image_groups:
        group.wants_patches.value = True


# Settings


def test_settings_are_visible_only_if_they_are_used(module):
    few = {setting.text for setting in module.visible_settings()}
    want_everything(module)
    more = {setting.text for setting in module.visible_settings()}

    assert more - few == {
        "Name the patch objects",
        "Name the focus level image",
        "Name the certainty image",
        "Name the annotated image",
        "Select objects to measure",
    }


def test_settings_of_the_objective_follow_the_choice(module):
    def labels():
        texts = [setting.text for setting in module.visible_settings()]
        return texts[texts.index("How to rescale images") + 1 :]

    assert labels()[:2] == ["Rescaling factor", "How to combine the patches"]
    want_objective(module)
    assert labels()[:6] == [
        "",  # the button
        "Pixel size in micrometers",
        "Numerical aperture",
        "Wavelength in micrometers",
        "Refractive index of the immersion",
        "How to combine the patches",
    ]


def pressed(module):
    """Press the button that reads the optics from an image."""
    (button,) = [s for s in module.visible_settings() if getattr(s, "label", "").startswith("Read")]
    button.on_event_fired()


@pytest.fixture
def dialogs(tmp_path, monkeypatch):
    """Image with some metadata that the user chooses, and the messages that the user sees."""
    values = {
        **{f"spatial-calibration-{axis}": "1.3668" for axis in "xy"},
        **{"spatial-calibration-units": "um", "_MagNA_": "0.75", "wavelength": "0"},
    }
    properties = "".join(f'<prop id="{name}" value="{values[name]}"/>' for name in values)
    xml = f"<MetaData><PlaneInfo>{properties}</PlaneInfo></MetaData>"
    path = tmp_path / "image \u00e9.tif"
    tifffile.imwrite(path, np.zeros((9, 9), np.uint8), description=xml, metadata=None)
    chosen, messages = [str(path)], []
    monkeypatch.setattr(DIALOGS + "choose_file", lambda question: chosen[0])
    monkeypatch.setattr(DIALOGS + "tell", lambda message, title: messages.append(message))
    return chosen, messages


def test_button_fills_in_the_optics_of_an_image(module, dialogs):
    _, messages = dialogs
    module.rescaling.value = "To match the objective"
    module.refractive_index.value = 1.33
    pressed(module)
    options = module.focus_options.options()
    assert (options.pixel_size, options.numerical_aperture) == (1.3668, 0.75)
    assert (options.wavelength, options.refractive_index) == (0.5, 1.33)
    assert messages == [
        "In the metadata of image \u00e9.tif:\n"
        "Pixel size in micrometers: 1.3668\n"
        "Numerical aperture: 0.75\n"
        "Wavelength in micrometers: not found, still 0.5\n"
        "Refractive index of the immersion: not found, still 1.33"
    ]


def test_button_says_what_is_wrong(module, dialogs, tmp_path):
    chosen, messages = dialogs
    module.rescaling.value = "To match the objective"
    saved = [setting.unicode_value for setting in module.settings()]
    for chosen[0] in (None, str(tmp_path / "none.tif"), str(tmp_path)):
        pressed(module)
    assert len(messages) == 2
    assert all("does not exist or is not a file" in message for message in messages)
    Path(tmp_path / "cut.tif").write_bytes(b"II*\0")
    chosen[0] = str(tmp_path / "cut.tif")
    pressed(module)
    assert "cut.tif cannot be read as an image" in messages[2]
    assert [setting.unicode_value for setting in module.settings()] == saved


def test_only_values_that_all_images_of_a_file_share_are_filled_in(module, tmp_path):
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": 0.5,
        "PhysicalSizeXUnit": "\u00b5m",
        "Channel": {"EmissionWavelength": [461, 520]},
    }
    path = tmp_path / "a.ome.tif"
    image = np.zeros((2, 9, 9), np.uint8)
    tifffile.imwrite(path, image, photometric="minisblack", metadata=metadata)
    assert "Wavelength in micrometers: not found" in module.fill_in_optics(path)
    assert module.pixel_size.value == 0.5
    assert module.wavelength.value == 0.5  # the default


def test_images_are_added_and_removed(module):
    saved = [setting.unicode_value for setting in module.settings()]
    want_two_images(module)
    module.image_groups[1].remover.on_event_fired()
    assert [group.image_name.value for group in module.image_groups] == ["DNA"]

    want_two_images(module)
    module.set_settings_from_values(saved, 1, "MeasureImageFocusQuality")
    assert [group.image_name.value for group in module.image_groups] == ["DNA"]
    with pytest.raises(ValueError, match="'many' is not a number"):
        module.set_settings_from_values(["many", *saved[1:]], 1, "MeasureImageFocusQuality")


def test_names_must_differ(module):
    want_two_images(module)
    module.validate_module(None)  # the default names differ

    module.image_groups[1].patches_name.value = "FocusPatches"
    with pytest.raises(ValidationError, match="FocusPatches has already been used"):
        module.validate_module(None)
    module.image_groups[1].image_name.value = "DNA"
    with pytest.raises(ValidationError, match="DNA has already been used"):
        module.validate_module(None)


def test_objects_must_be_selected(module):
    module.wants_objects.value = True

    with pytest.raises(ValidationError, match="No objects selected"):
        module.validate_module(None)


def test_impossible_optics_are_refused(module):
    want_objective(module)
    module.validate_module(None)
    module.numerical_aperture.value = 1.4

    with pytest.raises(ValidationError, match="immersion medium") as error:
        module.validate_module(None)
    assert error.value.get_setting() is module.numerical_aperture


def test_overlapping_patch_objects_give_a_warning(module):
    module.image_groups[0].wants_patches.value = True
    module.validate_module_warnings(None)
    module.stride.value = 42

    with pytest.raises(ValidationError, match="the patch objects overlap"):
        module.validate_module_warnings(None)


# Measurements


@pytest.mark.parametrize("choices", [[], [want_objective, want_everything, want_two_images]])
def test_written_features_are_the_declared_columns(module, scene, choices):
    for choose in choices:
        choose(module)
    labels = np.zeros(scene.shape, int)
    labels[50:60, 50:60] = 1
    workspace = run(module, scene, {"Nuclei": labels, "Cells": labels}, Actin=scene[:100])

    assert_declared_is_written(module, workspace)


@pytest.mark.parametrize(
    "changes",
    [
        {"stride": 50, "scale": 0.8, "uncertain_below": 0.01, "out_of_focus_from": 7},
        {
            "rescaling": "objective",
            "pixel_size": 0.325,
            "numerical_aperture": 0.75,
            "wavelength": 0.55,
        },
    ],
    ids=["factor", "objective"],
)
def test_image_measurements_are_the_summary_of_the_core(module, scene, changes):
    for name, value in changes.items():
        setting = getattr(module, name)
        setting.value = "To match the objective" if name == "rescaling" else value
    workspace = run(module, scene)

    summary = measure(scene, options=FocusOptions(**changes)).summary
    features = {
        "Score": "score",
        "ExpectedLevel": "expected_level",
        "Certainty": "certainty",
        "CertaintyMean": "certainty_mean",
        "CertaintyMax": "certainty_max",
        "CertaintyWeightedMean": "certainty_weighted_mean",
        "FractionInFocus": "fraction_in_focus",
        "FractionOutOfFocus": "fraction_out_of_focus",
        "FractionUncertain": "fraction_uncertain",
        "PatchCount": "patches",
        **{f"Probability{level}": f"p{level}" for level in range(11)},
    }
    if "rescaling" in changes:
        features["ExpectedDefocus"] = "expected_defocus_um"
    for feature, name in features.items():
        assert image_value(workspace, feature) == summary[name], feature


def signed(scene):
    return (scene * 30000).astype("i2")


def big_endian(scene):
    return (scene * 60000).astype(">u2")


def color(scene):
    return np.stack([scene, scene[::-1], scene[:, ::-1]], axis=-1)


def with_nan(scene):
    changed = np.asfortranarray(scene.astype(">f8"))
    changed[:100, :90], changed[150, 150] = np.nan, np.inf
    return changed


SIGNED = pytest.param(
    signed, marks=pytest.mark.skipif(CELLPROFILER_5, reason="CellProfiler 5 scales signed images")
)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("change", [SIGNED, big_endian, color, with_nan])
def test_module_and_command_line_measure_the_same(module, scene, tmp_path, change, masked):
    array, mask = change(scene), None
    if masked:
        mask = np.ones(scene.shape, bool)
        mask[:, :80] = False
    tifffile.imwrite(tmp_path / "image.tif", array, byteorder=">")
    workspace = run(module, Image(array, mask=mask))

    summary = measure(read_image(tmp_path / "image.tif"), mask).summary
    for feature, name in (("ExpectedLevel", "expected_level"), ("Certainty", "certainty")):
        assert image_value(workspace, feature) == pytest.approx(summary[name], rel=1e-3)
    assert image_value(workspace, "PatchCount") == summary["patches"]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((100, 100), np.float32),
        np.full((100, 100), np.nan, np.float32),
        np.ones((1, 1), np.float32),
        np.random.default_rng(1).random((20, 30)).astype(np.float32),
        np.random.default_rng(2).random((100, 100)) > 0.5,
    ],
    ids=["black", "nan", "one pixel", "smaller than a patch", "binary"],
)
def test_odd_images_give_measurements_and_outputs(module, pixels):
    want_everything(module)
    module.wants_objects.value = False
    module.show_window = True
    workspace = run(module, pixels)

    patches = object_values(workspace, "FocusPatches", "ImageFocus_Level_DNA")
    counted = len(patches) if np.isfinite(pixels).any() else 0
    assert image_value(workspace, "PatchCount") == counted
    if not pixels.any():
        assert image_value(workspace, "Certainty") == pytest.approx(0, abs=1e-6)
        assert image_value(workspace, "FractionUncertain") == 1
    for name in ("FocusLevel", "FocusCertainty", "FocusAnnotated"):
        found = workspace.image_set.get_image(name).pixel_data
        assert found.shape[:2] == pixels.shape
        assert np.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1


def ranked(module, groups, levels):
    """Return ranks of image sets with measured levels; a level of None stands for a failure."""
    module.wants_ranks.value = True
    measurements = make_workspace(module, {"DNA": np.zeros((9, 9))}).measurements
    for number, (group, level) in enumerate(zip(groups, levels), 1):
        measurements.add_measurement(IMAGE, "Group_Number", group, image_set_number=number)
        if level is not None:
            for feature, value in (("ExpectedLevel", level), ("Certainty", 0.5)):
                name = f"ImageFocus_{feature}_DNA"
                measurements.add_measurement(IMAGE, name, value, image_set_number=number)
    last = {group: number for number, group in enumerate(groups, 1)}
    for number in last.values():
        measurements.next_image_set(number)
        module.post_group(Workspace(None, module, None, None, measurements, None), {})
    numbers = list(range(1, len(groups) + 1))
    return [
        measurements[IMAGE, f"ImageFocus_{feature}_DNA", numbers].tolist()
        for feature in ("RankInGroup", "BestInGroup")
    ]


def test_images_are_ranked_within_their_group(module):
    ranks, best = ranked(module, [1, 2, 1, 2, 1], [4.0, 2.0, 1.0, 3.0, 2.0])
    assert ranks == [3, 1, 1, 2, 2]
    assert best == [0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    "levels, expected", [([None, np.nan, 7], [None, None, 1]), ([None] * 3, [None] * 3)]
)
def test_images_that_could_not_be_measured_have_no_rank(module, levels, expected):
    ranks, best = ranked(module, [1, 1, 1], levels)
    np.testing.assert_array_equal(ranks, np.array(expected, float))
    assert best == [int(rank == 1) for rank in expected]


def test_groups_are_read_once(module, monkeypatch):
    calls = []
    original = Measurements.get_image_numbers
    monkeypatch.setattr(
        Measurements, "get_image_numbers", lambda self: calls.append(1) or original(self)
    )
    ranks, _ = ranked(module, [1, 1, 2, 2, 3, 3], [2.0, 1.0] * 3)
    assert ranks == [2, 1] * 3
    assert len(calls) == 1


def ranks_of_run(module, tmp_path, images, groups=None, before=(), **arguments):
    """Run a pipeline that ranks images, and return the columns that tell ranks and levels."""
    module.wants_ranks.value = True
    modules = [GivenImages(images, groups), *before, module]
    status, tables = run_in_process(modules, tmp_path, **arguments)
    assert status == "Complete"
    table = tables["MyExpt_Image"]
    names = {f"ImageFocus_{one}_DNA": one for one in ("ExpectedLevel", "RankInGroup")}
    best = table["ImageFocus_BestInGroup_DNA"]
    assert best.tolist() == (table["ImageFocus_RankInGroup_DNA"] == 1).astype(int).tolist()
    return table.reindex(columns=list(names)).rename(columns=names)


def skipping_groups_below(number):
    """FlagImage that skips the image sets of the first groups."""
    module = instantiate_module("FlagImage")
    module.flags[0].wants_skip.value = True
    (measurement,) = module.flags[0].measurement_settings
    measurement.measurement.value = "Group_Number"
    measurement.wants_minimum.value, measurement.wants_maximum.value = True, False
    measurement.minimum_value.value = number
    return module


@pytest.mark.parametrize("unread", [[0], [0, 1], [3], [0, 1, 2, 3]])
def test_a_run_with_damaged_images_ends_with_all_tables(module, tmp_path, scene, unread):
    images = [None if number in unread else scene for number in range(4)]
    table = ranks_of_run(module, tmp_path, images, groups=[1, 1, 2, 2])
    assert np.flatnonzero(table["ExpectedLevel"].isna()).tolist() == unread
    assert np.flatnonzero(table["RankInGroup"].isna()).tolist() == unread


@pytest.mark.parametrize("first", [2, 3])
def test_a_run_that_skips_groups_ends_with_all_tables(module, tmp_path, scene, first):
    before = [skipping_groups_below(first)]
    table = ranks_of_run(module, tmp_path, [scene] * 4, [1, 1, 2, 2], before)
    assert table["RankInGroup"].notna().tolist() == [False, False, first == 2, first == 2]


def test_groups_that_are_run_in_part_are_not_ranked(module, tmp_path, scene, caplog):
    images, groups = [scene] * 5, [1, 1, 2, 2, 2]
    table = ranks_of_run(module, tmp_path, images, groups, image_set_start=1, image_set_end=4)
    np.testing.assert_array_equal(table["RankInGroup"], [1, 2, np.nan, np.nan])
    (warning,) = (one.message for one in caplog.records if "ranks" in one.message)
    assert "only 2 of the 3 image sets of group 2 were run, so DNA gets no ranks" in warning


def test_ranks_are_measured_at_the_end_of_the_group_if_wanted(module):
    workspace = make_workspace(module, {})
    module.post_group(workspace, {})
    assert IMAGE not in workspace.measurements.get_object_names()
    assert not any("InGroup" in column[1] for column in module.get_measurement_columns(None))
    module.wants_ranks.value = True
    columns = [c for c in module.get_measurement_columns(None) if "InGroup" in c[1]]
    attributes = {MCA_AVAILABLE_POST_GROUP: True}
    assert columns == [
        (IMAGE, "ImageFocus_BestInGroup_DNA", COLTYPE_INTEGER, attributes),
        (IMAGE, "ImageFocus_RankInGroup_DNA", COLTYPE_INTEGER, attributes),
    ]
    assert "RankInGroup" in module.get_measurements(None, IMAGE, "ImageFocus")


# Report


@pytest.fixture
def wells(tmp_path, fly_images):
    """Folder of sharp and blurred images of four wells, and of a damaged one."""
    folder, sharp = tmp_path / "images", fly_images["01_POS002_D.TIF"][:200, :190]
    folder.mkdir()
    for number, sigma in enumerate((0, 0, 4, 4), 1):
        blurred = gaussian_filter(sharp, sigma) if sigma else sharp
        imageio.imwrite(folder / f"p1_A0{number}_s1.png", blurred)
    (folder / "p1_A05_s1.png").write_bytes((folder / "p1_A01_s1.png").read_bytes()[:100])
    return folder


def page_data(path):
    """Return the data in a page."""
    return json.loads(re.search(r"json\">(.*)</script>", path.read_text("utf-8"))[1])


REPORT = ["FocusReport_Image.html", "FocusReport_Image_excluded_wells.csv"]
REPORT += ["FocusReport_Image_image_again.csv"]


def report_files(folder):
    return sorted(path.name for path in folder.glob("FocusReport*"))


def test_a_run_writes_a_report_that_opens_in_a_browser(tmp_path, wells, browser):
    pipeline, out = with_report(PIPELINE, tmp_path), tmp_path / "out \u00e9"
    program = [*COMMAND, "--always-continue"]
    for _ in range(2):  # the second run replaces the report of the first one
        run_cellprofiler(pipeline, wells, out, program)
    assert report_files(out) == REPORT
    excluded = pd.read_csv(out / REPORT[1])
    assert excluded["well"].tolist() == ["A03", "A04", "A05"]
    assert excluded["images_not_measured"].tolist() == [0, 0, 1]
    table = pd.read_csv(out / "FocusQC_Image.csv")
    browser.get((out / REPORT[0]).as_uri())
    until(lambda: browser.find_element("id", "counts").text)
    counts = "5 images: 2 in focus, 2 out of focus, 0 blank, 1 not measured; 3 excluded wells"
    assert browser.find_element("id", "counts").text == counts
    levels = [image["expected_level"] for image in page_data(out / REPORT[0])["images"]]
    np.testing.assert_allclose(levels[:4], table["ImageFocus_ExpectedLevel_Image"][:4], rtol=1e-5)
    assert len(browser.find_elements("css selector", "#worst img")) == 2
    assert browser.find_element("id", "note").text == ""
    assert browser.get_log("browser") == []


def test_a_report_of_some_image_sets_says_so(tmp_path, wells):
    program = [*COMMAND, "--first-image-set", "2", "--last-image-set", "3"]
    run_cellprofiler(with_report(PIPELINE, tmp_path), wells, tmp_path / "out", program)
    page = tmp_path / "out" / "FocusReport_Image_sets_2_to_3.html"
    data = page_data(page)
    assert len(data["images"]) == 2
    assert "image sets 2 to 3 of 5" in data["note"]


@pytest.mark.skipif(CELLPROFILER_5, reason="it starts its workers in another way")
def test_workers_write_one_report(tmp_path, wells):
    (wells / "p1_A05_s1.png").unlink()
    with_report(PIPELINE, tmp_path)
    run_in_workers(tmp_path, 2)
    assert report_files(tmp_path) == REPORT
    assert len(pd.read_csv(tmp_path / REPORT[1])) == 2
    assert page_data(tmp_path / REPORT[0])["note"] == ""


@pytest.fixture
def reporting(module, tmp_path):
    """A module that writes a report into a folder, and its workspace."""
    module.report.wanted.value = True
    module.report.directory.join_parts("Elsewhere...", str(tmp_path))
    return module, make_workspace(module, {})


def test_a_file_of_somebody_else_is_not_replaced(reporting, tmp_path, caplog):
    module, workspace = reporting
    messages = []
    workspace.pipeline.report_prepare_run_error = lambda _, message: messages.append(message)
    path = tmp_path / "FocusReport_DNA_excluded_wells.csv"
    path.write_text("mine")
    measured = {f"ImageFocus_{one}_DNA": 0.5 for one in ("Score", "ExpectedLevel", "Certainty")}
    for feature, value in {"FileName_DNA": "p1_A01.tif", **measured}.items():
        workspace.measurements.add_image_measurement(feature, value)
    assert not module.prepare_run(workspace)
    module.post_run(workspace)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "mine"
    assert len(messages) == 1
    assert f"{path} exists and was not written by 'MeasureImageFocusQuality'" in messages[0]


@pytest.mark.parametrize("change", ["test mode", "not wanted", "not measured"])
def test_nothing_is_written(reporting, tmp_path, change, caplog):
    module, workspace = reporting
    workspace.pipeline.test_mode = change == "test mode"
    module.report.wanted.value = change != "not wanted"
    workspace.measurements.add_image_measurement("FileName_DNA", "a.png")
    assert module.prepare_run(workspace)
    module.post_run(workspace)
    assert list(tmp_path.iterdir()) == []
    said = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == (change == "not measured")
    assert not said or "No image in this run was measured" in said[0]


def test_settings_of_the_report(reporting):
    module, workspace = reporting
    assert module.visible_settings()[-2:] == [module.report.directory, module.report.name]
    module.report.wanted.value = False
    assert module.visible_settings()[-1] is module.report.wanted
    module.report.wanted.value = True
    module.report.name.value = "a/b"
    with pytest.raises(ValidationError, match="'a/b' cannot start the name of a file"):
        module.validate_module(None)
    module.report.name.value = "FOCUSreport"
    second = new_module()
    second.report.wanted.value = True
    second.report.directory.value = module.report.directory.value
    second.module_num = 2
    workspace.pipeline.add_module(second)
    with pytest.raises(ValidationError, match="The report of module 1 has the same files"):
        second.report.validate(second, workspace.pipeline)
    module.report.validate(module, workspace.pipeline)
    second.report.name.value = "Other"
    second.report.validate(second, workspace.pipeline)


# Patches and objects


def test_every_patch_is_an_object(module, scene):
    module.image_groups[0].wants_patches.value = True
    module.stride.value = 30
    workspace = run(module, scene)

    measurement = measure(scene, options=FocusOptions(stride=30))
    boxes = measurement.boxes.reshape(-1, 4)
    objects = workspace.object_set.get_objects("FocusPatches")
    assert objects.count == len(boxes)
    assert np.array_equal(objects.areas, boxes[:, 2] * boxes[:, 3])
    assert workspace.measurements.get_current_image_measurement("Count_FocusPatches") == len(boxes)
    for feature, values in (
        ("Location_Center_X", boxes[:, 1] + (boxes[:, 3] - 1) / 2),
        ("Location_Center_Y", boxes[:, 0] + (boxes[:, 2] - 1) / 2),
        ("ImageFocus_Level_DNA", measurement.level.ravel()),
        ("ImageFocus_ExpectedLevel_DNA", measurement.expected_level.ravel()),
        ("ImageFocus_Certainty_DNA", measurement.certainty.ravel()),
        ("ImageFocus_Probability3_DNA", measurement.probabilities[..., 3].ravel()),
    ):
        found = object_values(workspace, "FocusPatches", feature)
        assert np.array_equal(found, values), feature


def test_masked_patches_are_rows_without_values_and_masked_in_the_maps(module, scene):
    want_everything(module)
    mask = np.ones(scene.shape, dtype=bool)
    mask[100:] = False
    labels = np.zeros((300, 190), int)
    labels[10:20, 10:20] = 1
    labels[95:105, 10:20] = 2  # covered only by patches that do not count
    labels[250:260, 10:20] = 3  # outside the image
    workspace = run(module, Image(scene, mask=mask), {"Nuclei": labels, "Cells": labels})

    measurement = measure(scene, mask)
    levels = object_values(workspace, "FocusPatches", "ImageFocus_Level_DNA").reshape(3, 3)
    assert np.array_equal(np.isfinite(levels), measurement.counted)
    assert list(measurement.counted.any(axis=1)) == [True, False, False]
    assert image_value(workspace, "PatchCount") == 3
    assert image_value(workspace, "Score") == measurement.summary["score"]
    level = workspace.image_set.get_image("FocusLevel")
    assert np.array_equal(np.flatnonzero(level.mask.any(axis=1)), np.arange(84))
    assert level.pixel_data[0, 0] * 10 == pytest.approx(measurement.expected_level[0, 0], rel=1e-5)
    found = object_values(workspace, "Nuclei", "ImageFocus_MeanLevel_DNA")
    assert list(np.isfinite(found)) == [True, False, False]


def test_completely_masked_image_gives_nan(module, scene):
    module.image_groups[0].wants_patches.value = True
    module.image_groups[0].wants_level_image.value = True
    module.show_window = True
    workspace = run(module, Image(scene, mask=np.zeros(scene.shape)))

    assert np.isnan(image_value(workspace, "Score"))
    assert np.isnan(image_value(workspace, "Probability0"))
    assert image_value(workspace, "PatchCount") == 0
    certainties = object_values(workspace, "FocusPatches", "ImageFocus_Certainty_DNA")
    assert np.isnan(certainties).all()
    assert not workspace.image_set.get_image("FocusLevel").mask.any()
    assert displayed(module, workspace).table[1] == ["DNA", *[""] * 6, "0 of 9"]


def test_objects_get_the_mean_of_the_patches_that_cover_them(everything, scene):
    _, workspace = everything
    measurement = measure(scene)
    for feature, values in (
        ("MeanLevel", measurement.expected_level),
        ("MeanCertainty", measurement.certainty),
    ):
        # The second object is half in the first patch and half in the patch below.
        expected = [values[0, 0], (values[0, 0] + values[1, 0]) / 2]
        found = object_values(workspace, "Nuclei", f"ImageFocus_{feature}_DNA")
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert len(object_values(workspace, "Cells", f"ImageFocus_{feature}_DNA")) == 0


# Images and figure


def test_maps_spread_the_patches_over_the_image(everything, scene):
    _, workspace = everything
    measurement = measure(scene)
    level = workspace.image_set.get_image("FocusLevel").pixel_data
    certainty = workspace.image_set.get_image("FocusCertainty").pixel_data
    for found, values in (
        (level * 10, measurement.expected_level),
        (certainty, measurement.certainty),
    ):
        expected = values[:2, :2].repeat(84, axis=1).repeat(84, axis=0)
        # The last patches overlap these from row 116 and column 106 on.
        np.testing.assert_allclose(found[:116, :106], expected[:116, :106], rtol=1e-5)


def test_annotated_image_is_the_picture_of_the_core(everything, scene):
    _, workspace = everything
    picture = annotate(scene, measure(scene))
    found = workspace.image_set.get_image("FocusAnnotated").pixel_data
    assert np.array_equal(found, picture)
    assert np.array_equal(workspace.display_data.images[0]["picture"], picture)


def test_figure_of_two_images(module, scene):
    want_two_images(module)
    module.show_window = True
    workspace = run(module, scene, Actin=scene[:100])
    figure = displayed(module, workspace)

    pictures = list(figure.subplots.ravel())
    assert [axes.get_title() for axes in pictures] == ["DNA", "Actin"]
    others = [axes for axes in figure.figure.axes if axes not in pictures]
    (legend,) = (axes for axes in others if axes.get_ylabel() == "Focus level")
    assert [text.get_text() for text in legend.texts] == ["in focus", "out of focus"]
    others.remove(legend)
    for name, axes in zip(("DNA", "Actin"), others):
        bars = [bar.get_height() for bar in axes.patches]
        expected = [image_value(workspace, f"Probability{level}", name) for level in range(11)]
        np.testing.assert_allclose(bars, expected)
    _, top, _, height = figure.table_place
    assert top + height == 1
    renderer = figure.figure.canvas.get_renderer()
    for axes in figure.figure.axes:
        assert axes.get_tightbbox(renderer).y0 >= figure.figure.bbox.height * height
    assert figure.table[0][:3] == ["", "Score", "Expected level"]
    for name, row in zip(("DNA", "Actin"), figure.table[1:]):
        score, level = (image_value(workspace, f, name) for f in ("Score", "ExpectedLevel"))
        assert row[:3] == [name, f"{score:.0f}", f"{level:.1f}"]


def test_status_bar_shows_the_patch_under_the_mouse(module, scene):
    module.show_window = True
    mask = np.ones(scene.shape, dtype=bool)
    mask[:84, :84] = False
    workspace = run(module, Image(scene, mask=mask))
    figure = displayed(module, workspace)
    (picture,) = figure.subplots.ravel()
    assert picture.get_window_extent().height > 0.6 * figure.figure.bbox.height
    assert figure.table[1][-1] == "8 of 9"

    def fields_at(x, y):
        canvas = figure.figure.canvas
        position = picture.transData.transform((x, y))
        event = MouseEvent("motion_notify_event", canvas, *position)
        canvas.callbacks.process("motion_notify_event", event)
        return figure.status_bar.fields

    measurement = measure(scene, mask)
    assert fields_at(100, 40) == [
        "X: 100",
        "Y: 40",
        f"Level: {measurement.level[0, 1]}",
        f"Certainty: {measurement.certainty[0, 1]:.2f}",
    ]
    assert fields_at(40, 40) == ["X: 40", "Y: 40", "No patch counts here"]
    # CellProfiler disconnects these when it clears the figure.
    for connection in sum(figure.event_bindings.values(), []):
        figure.figure.canvas.mpl_disconnect(connection)
    assert fields_at(100, 40) == ["X: 40", "Y: 40", "No patch counts here"]


def test_a_click_shows_the_patch_and_its_distribution(module, scene):
    want_two_images(module)
    module.show_window = True
    images = scene, scene[::-1]
    figure = displayed(module, run(module, scene, Actin=scene[::-1]))
    (picture, _), axes = figure.subplots.ravel(), figure.figure.axes
    distributions, patches = axes[2:4], axes[4:6]

    def bars_after_click(x, y):
        canvas = figure.figure.canvas
        event = MouseEvent("button_press_event", canvas, x, y, button=1)
        canvas.callbacks.process("button_press_event", event)
        return [[bar.get_height() for bar in one.patches] for one in distributions]

    at_patch = picture.transData.transform((40, 100))
    measured = [measure(image) for image in images]
    patch = [one.probabilities[1, 0] for one in measured]
    np.testing.assert_allclose(bars_after_click(*at_patch), patch, rtol=1e-5)
    for one, image in zip(patches, images):
        (shown,) = one.images
        np.testing.assert_allclose(shown.get_array(), stretch(image[84:168, :84]))
    whole = [one.aggregate for one in measured]
    np.testing.assert_allclose(bars_after_click(0, 0), whole, rtol=1e-5)
    assert not any(one.images for one in patches)
    figure.figure.canvas.widgetlock(figure)  # as the toolbar's zoom does
    np.testing.assert_allclose(bars_after_click(*at_patch), whole, rtol=1e-5)


def test_palette_changes_only_the_colors(module, scene):
    module.palette.value = "Color-blind safe"
    module.image_groups[0].wants_annotated_image.value = True
    module.image_groups[0].annotated_image_name.value = "FocusAnnotated"
    workspace = run(module, scene)
    picture = annotate(scene, measure(scene), UNIFORM)
    found = workspace.image_set.get_image("FocusAnnotated").pixel_data
    assert np.array_equal(found, picture)


# Example pipelines


@pytest.mark.parametrize(
    "name, modules",
    [
        ("focus_qc", ["MeasureImageFocusQuality", "FlagImage", "SaveImages"]),
        (
            "focus_profiles",
            [
                *(f"Identify{kind}Objects" for kind in ("Primary", "Secondary", "Tertiary")),
                *("MeasureImageFocusQuality", "MeasureObjectSizeShape", "MeasureObjectIntensity"),
            ],
        ),
        ("focus_rank_planes", ["MeasureImageFocusQuality"]),
    ],
)
def test_example_pipelines_are_valid_and_name_no_folder(name, modules, java):
    found = assert_valid_and_portable(PIPELINES / f"{name}.cppipe")
    assert found[4:] == [*modules, "ExportToSpreadsheet"]


def test_example_pipeline_runs_headless(tmp_path, scene):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    images = {
        "field1.png": (scene * 255).astype(np.uint8),
        "field2.tif": (scene[:100] * 65535).astype(np.uint16),
        "black.png": np.zeros((90, 90), np.uint8),
    }
    for name, image in images.items():
        imageio.imwrite(folder / name, image)
    run_cellprofiler(PIPELINE, folder, output)

    table = pd.read_csv(output / "FocusQC_Image.csv").set_index("FileName_Image")
    patches = pd.read_csv(output / "FocusQC_FocusPatches.csv").groupby("FileName_Image")
    assert sorted(table.index) == sorted(images)
    assert table.loc["black.png", "Metadata_QCFlag"] == 1
    for name, image in images.items():
        row, measurement = table.loc[name], measure(image)
        found = row["ImageFocus_ExpectedLevel_Image"]
        assert found == pytest.approx(measurement.summary["expected_level"], abs=1e-3)
        poor = row["ImageFocus_Score_Image"] > 1 or row["ImageFocus_Certainty_Image"] < 0.1
        assert row["Metadata_QCFlag"] == poor
        assert row["Count_FocusPatches"] == measurement.counted.size
        np.testing.assert_allclose(
            patches.get_group(name)["ImageFocus_ExpectedLevel_Image"],
            measurement.expected_level.ravel(),
            atol=1e-3,
        )
        picture = imageio.imread(output / f"{Path(name).stem}_focus.png")
        assert picture.shape == (*image.shape, 3)


@needs_load_data
def test_planes_of_real_stacks_are_ranked_and_the_best_ones_kept(data_folder, tmp_path):
    folder, ranks, kept = (tmp_path / name for name in ("planes", "ranks", "kept"))
    folder.mkdir()
    for path in (data_folder / "focus_stacks" / "beads_w1").glob("*_z0[3-6].tif"):
        shutil.copy(path, folder)
    run_cellprofiler(RANK, folder, ranks)
    run_cellprofiler(BEST, ranks, kept)

    table = pd.read_csv(ranks / "FocusRanks_Image.csv")
    stacks = table.groupby("Metadata_Stack")
    assert sorted(stacks.groups) == ["E07_s1_w1", "E07_s2_w1"]
    for _, planes in stacks:
        assert sorted(planes["ImageFocus_RankInGroup_Image"]) == [1, 2, 3, 4]
        best = planes["ImageFocus_RankInGroup_Image"] == 1
        assert (planes["ImageFocus_BestInGroup_Image"] == best).all()
        # The focal plane lies between the planes 4 and 5.
        assert planes.loc[best, "Metadata_Plane"].isin([4, 5]).all()
    best = table[table["ImageFocus_BestInGroup_Image"] == 1]["FileName_Image"]
    expected = {name.replace(".tif", "_best.tiff") for name in best}
    assert {path.name for path in kept.iterdir()} == expected


@needs_load_data
def test_cellprofiler_opens_the_best_planes_of_stack_files(tmp_path, rng):
    folder = tmp_path / "given"
    folder.mkdir()
    images = rng.integers(0, 65535, (3, 2, 90, 100), dtype=np.uint16)
    write_stacks(folder, images)
    single = folder / "single_ch1_z1.tif"
    tifffile.imwrite(single, images[1, 1])

    def command(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output

    command("predict", folder, "--output", tmp_path / "predicted")
    table = pd.read_csv(tmp_path / "predicted" / "focus.csv")
    # Make the middle plane of the second channel the best one of each stack.
    wanted = table["image"].str.contains("ch1_z1")
    table.loc[~wanted, ["score", "expected_level"]] = 9
    table.loc[wanted, ["score", "expected_level"]] = 1
    table = table[~table["image"].str.contains("_ch0_")]
    table.to_csv(tmp_path / "focus.csv", index=False)
    pattern = "(?P<File>[^/]+)_ch1_z(?P<Plane>[0-9])"
    arguments = ["--output", tmp_path / "best", "--pattern", pattern]
    command("best-planes", tmp_path / "focus.csv", *arguments)

    head, load, _, save = BEST.read_text().strip().split("\n\n")
    load = load.replace("FocusRanks_Image.csv", "load_data.csv")
    pipeline = tmp_path / "load.cppipe"
    pipeline.write_text("\n\n".join([head.replace("Count:3", "Count:2"), load, save]) + "\n")
    run_cellprofiler(pipeline, tmp_path / "best", tmp_path / "kept")
    kept = list((tmp_path / "kept").iterdir())
    assert len(kept) == 4
    for path in kept:
        np.testing.assert_array_equal(read_image(path), images[1, 1], err_msg=path.name)


def write_stacks(folder, images):
    """Write stacks of (plane, channel, row, column) in three forms of TIFF."""
    tifffile.imwrite(folder / "hyperstack.tif", images, imagej=True, metadata={"axes": "ZCYX"})
    # Above 4 GB, ImageJ describes only the first page of a stack.
    described = "ImageJ=1.53\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n"
    tifffile.imwrite(folder / "large.tif", images[0, 0], description=described, metadata=None)
    with open(folder / "large.tif", "ab") as file:
        file.write(images.reshape(6, -1)[1:].tobytes())
    # OME-TIFF with pages in the order of acquisition.
    order = [(1, 0), (2, 1), (0, 1), (0, 0), (1, 1), (2, 0)]
    data = "".join(
        f'<TiffData FirstZ="{z}" FirstC="{channel}" IFD="{number}" PlaneCount="1"/>'
        for number, (z, channel) in enumerate(order)
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
        f'SizeX="{images.shape[3]}" SizeY="{images.shape[2]}" SizeC="2" SizeZ="3" SizeT="1">'
        f'<Channel ID="a"/><Channel ID="b"/>{data}</Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(folder / "taken.ome.tif") as file:
        for number, position in enumerate(order):
            description = None if number else xml
            file.write(images[position], contiguous=False, metadata=None, description=description)
