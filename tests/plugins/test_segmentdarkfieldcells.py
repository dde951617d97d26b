"""Test SegmentDarkfieldCells as CellProfiler uses it."""

import dataclasses
import re
import shutil
import sys
from pathlib import Path

import imageio
import numpy as np
import pandas as pd
import pytest
import tifffile
from cellprofiler_core.image import Image
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.setting.text.alphanumeric.name import Name
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import (
    CELLPROFILER_5,
    ROOT,
    GivenImages,
    assert_declared_is_written,
    assert_valid_and_portable,
    choose_weights,
    displayed,
    make_workspace,
    run_cellprofiler,
    run_in_process,
    run_in_workers,
    with_report,
)
from matplotlib.backend_bases import MouseEvent
from matplotlib.legend import Legend
from skimage.draw import disk
from support import cell_model, needs_tensorflow, until

from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image, write_png
from micrograph_networks.models.weights_file import read_weights, write_weights
from segment import SegmentationOptions, load_model, segment_image
from segment.inference.evidence import FEATURES, Evidence, evidence_attribute
from segment.inference.network import NETWORKS

PIPELINES = ROOT / "example_pipelines"
CELLS = PIPELINES / "darkfield_cells.cppipe"
EVALUATE = PIPELINES / "darkfield_evaluate.cppipe"
# CellProfiler 5 drops the dots of versions and takes 4.2.8.1 for newer than 5.0.0.
VERSION_WARNING = "Your pipeline version is 4281 but you are running CellProfiler version 500"


@pytest.fixture
def module(color_weights):
    """A new module that segments the image Field by its colors, with spirochaetes."""
    return new_module(color_weights)


@pytest.fixture(scope="module")
def truth():
    """True classes, 96 x 128: three cells, one of which is cut, and two spirochaetes."""
    classes = np.zeros((96, 128), np.uint8)
    for center in ((25, 25), (30, 90), (90, 60)):
        classes[disk(center, 12, shape=classes.shape)] = 1
    classes[70:74, 10:40] = 2
    classes[50:80, 100:104] = 2
    return classes


@pytest.fixture(scope="module")
def field(truth):
    """Image of these classes for the network of color_weights, as CellProfiler reads it."""
    return np.array([[0.1, 0.1, 0.1], [1, 0, 0], [0, 0, 1]])[truth]


@pytest.fixture(scope="module")
def everything(color_weights, field):
    """Module and workspace of a run with all outputs, the display window, and a cell discarded."""
    module = new_module(color_weights)
    want_images(module)
    module.discard_border.value = True
    module.show_window = True
    return module, run(module, field)


def new_module(weights):
    module = instantiate_module("SegmentDarkfieldCells")
    module.x_name.value = "Field"
    choose_weights(module, weights)
    module.add_next_class()
    return module


def run(module, image):
    """Run a module on an image, and return the workspace."""
    workspace = make_workspace(module, {"Field": image})
    module.run(workspace)
    return workspace


def want_images(module):
    for group in module.groups:
        group.wants_mask.value = True
        group.wants_probability.value = True
    module.image_outputs.wants_uncertainty.value = True


def want_other_names(module):
    cells, spirochaetes = module.groups
    cells.objects_name.value = "Red"
    spirochaetes.objects_name.value = "Blue"


def want_cells_only(module):
    module.groups[1].remover.on_event_fired()


def count(workspace, name):
    return workspace.measurements.get_current_image_measurement(f"Count_{name}")


def object_values(workspace, name, feature):
    return workspace.measurements.get_current_measurement(name, feature)


def change_options(module):
    """Set all options of the core and of the engine to other values than the defaults."""
    module.threshold.value = 0.25
    module.cell_diameter_choice.value = "Enter a value"
    module.cell_diameter.value = 33.5
    module.separate_touching.value = False
    module.fill_holes.value = False
    module.minimum_area.value = 7
    module.discard_border.value = True
    module.bfloat16.value = True
    module.minimum_probability.value = 0.6


# Settings


@needs_tensorflow
def test_every_setting_reaches_the_core(module, field, monkeypatch, color_weights):
    change_options(module)
    calls = []

    def load(model, engine):
        calls.append((model, engine))
        return load_model(model, engine)

    def record(pixels, model, mask, options):
        calls.append(options)
        return segment_image(pixels, model, mask, options)

    module.core = dataclasses.replace(module.core, load_model=load)
    monkeypatch.setattr(sys.modules["segmentdarkfieldcells"], "segment_image", record)
    run(module, field)

    assert calls == [
        (str(color_weights), EngineOptions(bfloat16=True)),
        SegmentationOptions(
            threshold=0.25,
            cell_diameter=33.5,
            separate_touching=False,
            fill_holes=False,
            minimum_area=7,
            discard_border=True,
            minimum_probability=0.6,
        ),
    ]


def test_settings_are_visible_only_if_they_are_used():
    module = instantiate_module("SegmentDarkfieldCells")
    few = {setting.text for setting in module.visible_settings()}
    want_images(module)
    module.model.value = "Custom model"
    module.report.wanted.value = True
    for name in ("cell_diameter", "minimum_length", "minimum_spirochaete_probability"):
        getattr(module, f"{name}_choice").value = "Enter a value"
    saved = module.settings()

    assert sorted({setting.text for setting in saved} - few) == [
        "Diameter in pixels",
        "Length in pixels",
        "Minimum probability",
        "Name the mask",
        "Name the probability image",
        "Name the uncertainty image",
        "Number of classes",
        "Report location",
        "Report name",
        "Weights file location",
        "Weights file name",
    ]
    visible = [setting.text for setting in module.visible_settings()]
    assert [text for text in visible if text != module.add_button.text] == [
        setting.text for setting in saved if setting is not module.group_count
    ]


def test_classes_of_the_model_are_added_and_removed():
    module = instantiate_module("SegmentDarkfieldCells")
    assert [group.class_name.value for group in module.groups] == ["blood cell"]
    module.add_button.on_event_fired()
    cells, spirochaetes = module.groups
    assert cells.class_name.choices == ["blood cell", "spirochaete"]
    assert spirochaetes.class_name.choices == ["blood cell", "spirochaete"]
    assert spirochaetes.class_name.value == "spirochaete"
    assert spirochaetes.objects_name.value == "Spirochaetes"
    spirochaetes.remover.on_event_fired()
    assert module.groups == [cells]
    assert module.group_count.value == 1
    assert not hasattr(cells, "remover")


def test_names_must_differ(module):
    want_images(module)
    module.validate_module(None)  # the default names differ

    spirochaetes = module.groups[1]
    for setting, value in (
        (spirochaetes.mask_name, "BloodCellMask"),
        (spirochaetes.objects_name, "BloodCells"),
        (spirochaetes.class_name, "blood cell"),
    ):
        setting.value = value
        with pytest.raises(ValidationError, match=f"{value} has already been used"):
            module.validate_module(None)
    want_cells_only(module)
    module.validate_module(None)


def test_default_names_of_any_classes_are_valid_and_differ(module):
    classes = ["red cell", "red_cell", "Red-Cell", "größe", "3 cells", "细胞"]
    for name in classes:
        module.add_class(name)
    settings = [one for group in module.groups for one in group.settings if isinstance(one, Name)]
    for setting in settings:
        setting.test_valid(None)
    names = [setting.value for setting in settings]
    assert len(set(names)) == len(names) == 3 * len(module.groups)
    assert [group.objects_name.value for group in module.groups[-6:-3]] == [
        *("RedCells", "RedCells2", "RedCells3")
    ]


def test_a_diameter_that_enlarges_images_gives_a_warning(module):
    module.cell_diameter_choice.value = "Enter a value"
    module.cell_diameter.value = 6
    module.validate_module_warnings(None)  # the network was trained on 20 pixels
    module.cell_diameter.value = 4
    with pytest.raises(ValidationError, match="more than 4 times as wide") as error:
        module.validate_module_warnings(None)
    assert error.value.get_setting() is module.cell_diameter


# Objects and measurements


@pytest.mark.parametrize("choices", [[want_cells_only], [want_images, want_other_names]])
@pytest.mark.parametrize("dark", [False, True])
def test_written_features_are_the_declared_columns(module, field, choices, dark):
    for choose in choices:
        choose(module)
    workspace = run(module, np.zeros_like(field) if dark else field)

    assert_declared_is_written(module, workspace)


def test_cells_and_spirochaetes_become_objects(module, field, truth):
    workspace = run(module, field)

    for name, kind, expected in (("BloodCells", 1, 3), ("Spirochaetes", 2, 2)):
        objects = workspace.object_set.get_objects(name)
        assert np.array_equal(objects.segmented > 0, truth == kind)
        assert objects.count == count(workspace, name) == expected
        means = object_values(workspace, name, "Darkfield_MeanProbability")
        assert means.shape == (expected,)
        assert means.min() > 0.99
        numbers = object_values(workspace, name, "Number_Object_Number")
        assert list(numbers) == [*range(1, expected + 1)]
    assert sorted(object_values(workspace, "BloodCells", "Location_Center_X")) == [25, 60, 90]
    assert sorted(object_values(workspace, "Spirochaetes", "Location_Center_Y")) == [64.5, 71.5]
    for feature, expected in (("Length", [30, 30]), ("MeanWidth", [4, 4])):
        found = object_values(workspace, "Spirochaetes", f"Darkfield_{feature}")
        np.testing.assert_allclose(found, expected, rtol=0.08)
    assert "Length" not in module.get_measurements(None, "BloodCells", "Darkfield")
    assert module.is_object_identification_module()


def test_the_dissimilarity_is_that_of_the_core(module, field):
    workspace = run(module, field)
    name = "Darkfield_Dissimilarity_BloodCells"
    assert workspace.measurements.get_current_image_measurement(name) == 2


def test_objects_and_images_are_those_of_the_core(module, field, color_weights, rng):
    want_images(module)
    noisy = np.clip(field + rng.normal(0, 0.4, field.shape), 0, 1)
    workspace = run(module, noisy)

    result = segment_image(noisy, cell_model(color_weights))
    for name, expected in zip(("BloodCell", "Spirochaete"), result.by_class):
        objects = workspace.object_set.get_objects(f"{name}s").segmented
        assert np.array_equal(objects, expected.labels)
        means = object_values(workspace, f"{name}s", "Darkfield_MeanProbability")
        np.testing.assert_allclose(means, expected.means)
        images = workspace.image_set
        mask = images.get_image(f"{name}Mask", must_be_binary=True).pixel_data
        assert np.array_equal(mask, objects > 0)
        found = images.get_image(f"{name}Probability", must_be_grayscale=True).pixel_data
        np.testing.assert_allclose(found, expected.probability, atol=1e-6)
    lengths = object_values(workspace, "Spirochaetes", "Darkfield_Length")
    np.testing.assert_allclose(lengths, expected.lengths)
    widths = object_values(workspace, "Spirochaetes", "Darkfield_MeanWidth")
    np.testing.assert_allclose(widths, expected.widths)


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_with_damaged_images_ends_with_all_tables(module, field, tmp_path, count):
    module.x_name.value = "DNA"
    images = [None, *[field] * count, None]
    status, tables = run_in_process([GivenImages(images), module], tmp_path)
    assert status == "Complete"
    assert len(tables["MyExpt_Image"]) == len(images)
    assert ("MyExpt_BloodCells" in tables) == bool(count)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "kind, brightest", [(">u2", 60000), ("u1", 250), (">f8", 1), (">f4", np.nan)]
)
def test_module_and_command_line_find_the_same(
    module, field, color_weights, tmp_path, kind, brightest, masked
):
    array = (field * np.nan_to_num(brightest, nan=1)).astype(kind)
    if np.isnan(brightest):
        array[:20, :20] = np.nan
    mask = None
    if masked:
        mask = np.ones(field.shape[:2], bool)
        mask[:60] = False
    tifffile.imwrite(tmp_path / "image.tif", array, byteorder=">", photometric="rgb")
    workspace = run(module, Image(array, mask=mask))

    result = segment_image(read_image(tmp_path / "image.tif"), cell_model(color_weights), mask)
    for name, expected in zip(("BloodCells", "Spirochaetes"), result.by_class):
        found = workspace.object_set.get_objects(name).segmented
        assert np.array_equal(found, expected.labels)
    assert found.max() > 0 or masked


def test_spirochaetes_are_identified_only_if_wanted(module, field):
    want_cells_only(module)
    want_images(module)
    workspace = run(module, field)

    assert workspace.object_set.get_object_names() == ["BloodCells"]
    assert workspace.image_set.names == [
        "Field",
        "BloodCellMask",
        "BloodCellProbability",
        "DarkfieldUncertainty",
    ]


def test_the_uncertainty_image_is_that_of_the_core(everything, field, color_weights):
    _, workspace = everything
    uncertainty = workspace.image_set.get_image("DarkfieldUncertainty").pixel_data
    expected = segment_image(field, cell_model(color_weights)).uncertainty
    np.testing.assert_allclose(uncertainty, expected, atol=1e-6)
    assert 0 < uncertainty.max() <= 1


def test_evidence_is_measured_if_the_model_has_it(color_weights, field, tmp_path):
    plain = read_weights(color_weights, NETWORKS)
    count_of = len(FEATURES)
    coefficients = [0.0, *[2.0 * (name == "contrast") for name in FEATURES]]
    evidence = Evidence((0.0,) * count_of, (1.0,) * count_of, coefficients, (0.0, 1.0), 0.5)
    attributes = {**plain.attributes, **evidence_attribute(evidence)}
    write_weights(tmp_path / "evidence.h5", dataclasses.replace(plain, attributes=attributes))
    module = new_module(tmp_path / "evidence.h5")
    workspace = run(module, field)
    assert_declared_is_written(module, workspace)
    found = object_values(workspace, "Spirochaetes", "Darkfield_SpirochaeteProbability")
    assert found.shape == (2,) and ((found > 0.5) & (found < 1)).all()
    feature = "Darkfield_PresenceProbability_BloodCells"
    presence = workspace.measurements.get_current_image_measurement(feature)
    assert presence == pytest.approx(found.max())


def test_without_evidence_its_measurements_are_nan(everything):
    module, workspace = everything
    assert_declared_is_written(module, workspace)
    found = object_values(workspace, "Spirochaetes", "Darkfield_SpirochaeteProbability")
    assert found.shape == (2,) and np.isnan(found).all()
    feature = "Darkfield_PresenceProbability_BloodCells"
    assert np.isnan(workspace.measurements.get_current_image_measurement(feature))


# Review pages


@pytest.fixture
def reviewing(module, field, tmp_path):
    """A module that writes review pages into a folder, and its workspace."""
    module.report.wanted.value = True
    module.report.directory.join_parts("Elsewhere...", str(tmp_path / "out"))
    return module, make_workspace(module, {"Field": field})


def test_a_run_writes_pages_that_open_in_a_browser(reviewing, field, tmp_path, browser):
    module, _ = reviewing
    for _ in range(2):  # the second run replaces the pages of the first one
        workspace = make_workspace(module, {"Field": field})
        workspace.measurements.add_image_measurement("FileName_Field", "a.png")
        assert module.prepare_run(workspace)
        module.run(workspace)
        module.post_run(workspace)
    starts = [f"DarkfieldReview_{name}" for name in ("BloodCells", "Spirochaetes")]
    ends = (".html", "_groups.csv")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{start}{end}" for start in starts for end in ends} | {
        "DarkfieldReview_00001.jpg"
    }
    groups = pd.read_csv(tmp_path / "out" / "DarkfieldReview_Spirochaetes_groups.csv")
    assert groups[["images", "positive_images", "objects"]].values.tolist() == [[1, 1, 2]]
    expected = 2000 / count(workspace, "BloodCells")
    assert groups["per_1000_cells"].tolist() == pytest.approx([expected], rel=1e-5)
    browser.get((tmp_path / "out" / "DarkfieldReview_Spirochaetes.html").as_uri())
    until(lambda: browser.find_element("id", "counts").text)
    assert browser.find_element("id", "counts").text.startswith("2 objects: 0 accepted")
    assert "image set 1, object 1" in browser.find_element("css selector", ".card").text
    assert browser.get_log("browser") == []


def test_records_of_an_earlier_run_are_not_shown(reviewing, tmp_path, caplog):
    module, workspace = reviewing
    module.run(workspace)
    module.post_run(make_workspace(module, {}))
    assert "No image was segmented" in caplog.text
    assert not list((tmp_path / "out").glob("*.html"))


def test_test_mode_writes_no_page(reviewing, tmp_path):
    module, workspace = reviewing
    workspace.pipeline.test_mode = True
    assert module.prepare_run(workspace)
    module.run(workspace)
    module.post_run(workspace)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(CELLPROFILER_5, reason="it starts its workers in another way")
def test_workers_leave_images_for_the_pages(example_images, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copytree(example_images / CELLS.name, folder / "images")
    with_report(CELLS, folder, "Write review pages?")
    run_in_workers(folder, 2)
    groups = pd.read_csv(folder / "DarkfieldReview_BloodCells_groups.csv")
    assert groups[["group", "images"]].values.tolist() == [["images", 2]]
    assert not list(folder.glob("DarkfieldReview_*.json"))
    assert len(list(folder.glob("DarkfieldReview_*.jpg"))) == 2


def test_margins_hold_no_objects(module, field, rng):
    framed = np.maximum(field, rng.uniform(0.1, 0.2, field.shape))
    framed[:20] = 1
    found = run(module, framed).object_set.get_objects("BloodCells").segmented
    assert not found[:20].any()
    assert found[20:23].any()
    assert found.max() == 3


def test_discarded_cells_are_known_to_later_modules(everything, truth):
    _, workspace = everything
    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.count == 2
    assert np.array_equal(objects.unedited_segmented > 0, truth == 1)
    mask = workspace.image_set.get_image("BloodCellMask", must_be_binary=True).pixel_data
    assert np.array_equal(mask, objects.segmented > 0)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((40, 50, 3), 0.3),
        np.full((40, 50, 3), np.nan),
        np.zeros((1, 1)),
        np.zeros((33, 20), dtype=bool),
        np.zeros((40, 50, 4)),
        Image(np.ones((40, 50, 3)), mask=np.zeros((40, 50), bool)),
    ],
    ids=["one color", "nan", "one pixel", "binary", "alpha", "masked"],
)
def test_blank_images_give_no_objects(module, pixels):
    want_images(module)
    module.show_window = True
    workspace = run(module, pixels)
    assert displayed(module, workspace).table[1:3] == [
        ["Objects", "0", "0"],
        ["Area", "0 %", "0 %"],
    ]

    shape = workspace.image_set.get_image("Field").pixel_data.shape[:2]
    for name in ("BloodCell", "Spirochaete"):
        assert count(workspace, f"{name}s") == 0
        assert object_values(workspace, f"{name}s", "Darkfield_MeanProbability").size == 0
        assert object_values(workspace, f"{name}s", "Location_Center_X").size == 0
        mask = workspace.image_set.get_image(f"{name}Mask").pixel_data
        assert mask.shape == shape
        assert not mask.any()


def test_the_mask_of_the_image_is_respected(module, field, truth):
    want_images(module)
    module.show_window = True
    inside = np.ones(truth.shape, dtype=bool)
    inside[:, 64:] = False
    image = Image(field, mask=inside)
    workspace = run(module, image)

    assert count(workspace, "BloodCells") == 2
    assert count(workspace, "Spirochaetes") == 1
    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.parent_image is image
    assert not objects.segmented[~inside].any()
    names = ("BloodCellMask", "BloodCellProbability", "SpirochaeteProbability")
    for name in (*names, "DarkfieldUncertainty"):
        found = workspace.image_set.get_image(name)
        assert np.array_equal(found.mask, inside)
        assert not found.pixel_data[~inside].any()
    covered = np.count_nonzero(truth[inside] == 1) / np.count_nonzero(inside)
    area = workspace.display_data.statistics[1]
    assert area[:2] == ("Area", f"{100 * covered:.1f} %")


def test_cropped_images_give_objects_of_their_own_size(module, field):
    keep = np.zeros(field.shape[:2], dtype=bool)
    keep[:60, :64] = True
    workspace = run(module, Image(field[:60, :64], crop_mask=keep, parent_image=Image(field)))

    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.segmented.shape == (60, 64)
    assert objects.count == 1


def test_an_image_that_lost_its_colors_is_named(module, field, tmp_path, caplog):
    write_png(tmp_path / "color.png", field)
    write_png(tmp_path / "gray.png", field.mean(axis=2))
    module.show_window = True
    for name, is_named in (("color.png", True), ("gray.png", False)):
        gray = Image(field.mean(axis=2), path_name=str(tmp_path), file_name=name)
        title = displayed(module, run(module, gray)).subplots[0, 0].get_title()
        assert ("without its colors" in title) == is_named
    (message,) = [one for one in caplog.messages if "Color image" in one]
    assert "Field was loaded as a grayscale image, but its file has colors" in message


# Figure


def test_figure_shows_image_outlines_probabilities_legends_and_a_table(everything, field, truth):
    module, workspace = everything
    figure = displayed(module, workspace)

    plain, probabilities, outlined, legends = figure.subplots.ravel()
    titles = [axes.get_title() for axes in (plain, outlined, probabilities)]
    unlike = "Field (unlike the training images)"
    assert titles == [unlike, "BloodCells and Spirochaetes", "Probabilities"]
    for axes in (plain, outlined):
        np.testing.assert_allclose(axes.images[0].get_array(), field, rtol=1e-6)
    shown = probabilities.images[0].get_array()
    assert shown[25, 25, 0] > 0.99 > 0.2 > shown[25, 25, 2]

    assert [len(outlines.get_segments()) for outlines in outlined.collections] == [2, 2, 1]
    for outlines in outlined.collections:
        assert outlines.get_linewidth() == 1.5
        assert all((line < 1000).all() for line in outlines.get_segments())
    (legend,) = legends.findobj(Legend)
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["BloodCells", "Spirochaetes", "Discarded"]
    # Outlines and probabilities of a class have the color of the legend.
    colors = [patch.get_facecolor() for patch in legend.get_patches()]
    for outlines, color in zip(outlined.collections, colors):
        np.testing.assert_allclose(outlines.get_color()[0], color, atol=2e-3)
    np.testing.assert_allclose(shown[25, 25], colors[0][:3], atol=0.02)
    cells = workspace.object_set.get_objects("BloodCells").segmented > 0
    assert figure.table[:3] == [
        ["", "BloodCells", "Spirochaetes"],
        ["Objects", "2", "2"],
        ["Area", f"{100 * cells.mean():.1f} %", f"{24000 / truth.size:.1f} %"],
    ]
    assert [row[0] for row in figure.table[3:]] == ["Median size", "Probability"]
    table_top = figure.figure.bbox.height * (1 - figure.table_place[1] / 2)
    assert legend.get_window_extent().y0 >= table_top


def test_a_click_shows_number_class_probability_and_size(everything):
    module, workspace = everything
    figure = displayed(module, workspace)
    plain, _, outlined, _ = figure.subplots.ravel()

    def texts_after_click(x, y):
        canvas = figure.figure.canvas
        position = plain.transData.transform((x, y))
        event = MouseEvent("button_press_event", canvas, *position, button=1)
        canvas.callbacks.process("button_press_event", event)
        return [text.get_text() for text in outlined.texts]

    (cells,) = [workspace.object_set.get_objects("BloodCells").segmented]
    name = "Darkfield_MeanProbability"
    means = workspace.measurements.get_current_measurement("BloodCells", name)
    for number, mean in enumerate(means, 1):
        diameter = 2 * np.sqrt(np.count_nonzero(cells == number) / np.pi)
        y, x = np.argwhere(cells == number)[0]
        (text,) = texts_after_click(x, y)
        expected = (
            f"BloodCells {number}\nblood cell, probability {mean:.2f}\n{diameter:.0f} px wide"
        )
        assert text == expected
    assert texts_after_click(*np.argwhere(cells.T == 0)[0]) == []


# Classes of a custom model


@pytest.fixture
def pets(color_weights, tmp_path):
    """Weights of the same network with other names of classes, none of which are filaments."""
    weights = read_weights(color_weights, NETWORKS)
    weights.attributes["class_names"] = ["background", "cat", "tall dog"]
    write_weights(tmp_path / "pets.h5", weights)
    return tmp_path / "pets.h5"


def test_a_class_that_the_model_lacks_is_refused(module, field, pets):
    choose_weights(module, pets)

    with pytest.raises(ValidationError, match="blood cell is not one of cat,tall dog"):
        module.groups[0].class_name.test_valid(None)
    with pytest.raises(UserError, match="^Field: .*no blood cell: choose one of cat, tall dog"):
        run(module, field)


def test_classes_of_a_custom_model_become_objects(field, truth, pets):
    module = instantiate_module("SegmentDarkfieldCells")
    module.x_name.value = "Field"
    choose_weights(module, pets)
    module.groups[0].class_name.value = "cat"
    module.groups[0].objects_name.value = "Cats"
    module.add_next_class()
    module.show_window = True
    workspace = run(module, field)

    assert_declared_is_written(module, workspace)
    for name, kind in (("Cats", 1), ("TallDogs", 2)):
        assert np.array_equal(workspace.object_set.get_objects(name).segmented > 0, truth == kind)
    assert displayed(module, workspace).table[0] == ["", "Cats", "TallDogs"]


def test_a_missing_model_leaves_the_class_unchanged(module, tmp_path):
    choose_weights(module, tmp_path / "none.h5")
    assert module.groups[0].class_name.choices == ["blood cell"]
    assert module.get_measurements(None, "Spirochaetes", "Darkfield") == ["MeanProbability"]


# Example pipelines


@pytest.mark.parametrize(
    "path, middle", [(CELLS, []), (EVALUATE, ["MeasureImageOverlap"])], ids=["cells", "evaluate"]
)
def test_example_pipelines_are_valid_and_name_no_folder(path, middle, java, caplog):
    assert assert_valid_and_portable(path)[4:] == [
        "SegmentDarkfieldCells",
        "MeasureObjectSizeShape",
        *middle,
        "OverlayOutlines",
        "SaveImages",
        "SaveImages",
        "ExportToSpreadsheet",
    ]
    assert not [text for text in caplog.messages if not text.startswith(VERSION_WARNING)]


def with_weights(pipeline, weights, folder):
    """Return a copy of a pipeline file that uses a custom weights file."""
    text = re.sub(r"the model:.*", "the model:Custom model", pipeline.read_text())
    text = text.replace("location:Elsewhere...|\n", f"location:Elsewhere...|{weights.parent}\n")
    copy = folder / pipeline.name
    copy.write_text(text.replace("name:darkfield.h5", f"name:{weights.name}"))
    return copy


def test_example_pipelines_run_headless(field, truth, color_weights, tmp_path):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    pixels = np.rint(field * 255).astype(np.uint8)
    worse = truth[:68].copy()
    worse[:, :64] = 0
    for name, image, classes in (
        ("field1.png", pixels, truth),
        ("field2.tif", pixels[:68].astype(np.uint16) * 257, worse),
        ("black.png", np.zeros((90, 80), np.uint8), np.zeros((90, 80), np.uint8)),
    ):
        imageio.imwrite(folder / name, image)
        mask = ((classes == 1) * 255).astype(np.uint8)
        imageio.imwrite(folder / f"{Path(name).stem}_mask.png", mask)
    run_cellprofiler(with_weights(EVALUATE, color_weights, tmp_path), folder, output)

    table = pd.read_csv(output / "DarkfieldEvaluation_Image.csv").set_index("FileName_Image")
    assert list(table.loc[["field1.png", "field2.tif", "black.png"], "Count_BloodCells"]) == [
        3,
        2,
        0,
    ]
    assert list(table.loc[["field1.png", "black.png"], "Count_Spirochaetes"]) == [2, 0]
    column = "Overlap_Ffactor_BloodCellMask"
    assert table.loc["field1.png", column] == table.loc["black.png", column] == 1
    # Half of the cells of field2.tif are missing in its mask, so precision is 1/2 and recall 1.
    assert table.loc["field2.tif", column] == pytest.approx(2 / 3, abs=1e-6)
    for name in ("BloodCells", "Spirochaetes"):
        objects = pd.read_csv(output / f"DarkfieldEvaluation_{name}.csv")
        counts = objects.groupby("FileName_Image").size().reindex(table.index, fill_value=0)
        assert list(counts) == list(table[f"Count_{name}"])
    cells = pd.read_csv(output / "DarkfieldEvaluation_BloodCells.csv").groupby("FileName_Image")
    areas = cells.get_group("field1.png")["AreaShape_Area"]
    assert areas.sum() == np.count_nonzero(truth == 1)
    assert np.array_equal(imageio.imread(output / "field1_cells.png"), (truth == 1) * 255)
    assert imageio.imread(output / "field1_outlines.png").shape == (*truth.shape, 3)
