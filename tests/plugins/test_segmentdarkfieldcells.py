import dataclasses
import re
import sys
from pathlib import Path

import imageio
import numpy as np
import pandas as pd
import pytest
from cellprofiler_core.constants.measurement import IMAGE
from cellprofiler_core.image import Image
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import (
    ROOT,
    assert_declared_is_written,
    assert_help_is_valid_markup,
    assert_valid_and_portable,
    choose_weights,
    displayed,
    make_workspace,
    refusal_of_volumes,
    run_cellprofiler,
    saved_and_loaded,
)
from matplotlib.legend import Legend
from skimage.draw import disk
from support import CELL_MODELS, FOCUS_MODELS, cell_model, needs_tensorflow

from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import read_weights, write_weights
from segment import SegmentationOptions, load_model, segment_image

PIPELINES = ROOT / "example_pipelines"
CELLS = PIPELINES / "darkfield_cells.cppipe"
EVALUATE = PIPELINES / "darkfield_evaluate.cppipe"
# CellProfiler 5 drops the dots of versions and takes 4.2.8.1 for newer than 5.0.0.
VERSION_WARNING = "Your pipeline version is 4281 but you are running CellProfiler version 500"


@pytest.fixture(scope="session")
def plugin():
    """The Python module that CellProfiler has loaded."""
    return sys.modules["segmentdarkfieldcells"]


@pytest.fixture
def module(color_weights):
    """A fresh module that segments the image Field by its colors, spirochaetes included."""
    module = instantiate_module("SegmentDarkfieldCells")
    module.x_name.value = "Field"
    choose_weights(module, color_weights)
    module.add_next_class()
    return module


@pytest.fixture(scope="session")
def truth():
    """True classes, 96 x 128: three cells, one of which is cut, and two spirochaetes."""
    classes = np.zeros((96, 128), np.uint8)
    for center in ((25, 25), (30, 90), (90, 60)):
        classes[disk(center, 12, shape=classes.shape)] = 1
    classes[70:74, 10:40] = 2
    classes[50:80, 100:104] = 2
    return classes


@pytest.fixture(scope="session")
def field(truth):
    """The picture of these classes that the network of color_weights knows, as CellProfiler's."""
    return np.array([[0.1, 0.1, 0.1], [1, 0, 0], [0, 0, 1]])[truth]


def want_images(module):
    for group in module.groups:
        group.wants_mask.value = True
        group.wants_probability.value = True


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


# What CellProfiler sees of the module


def test_default_settings_are_those_of_the_core():
    module = instantiate_module("SegmentDarkfieldCells")

    assert module.segmentation_options.options() == SegmentationOptions()
    assert module.engine_options.options() == EngineOptions()
    assert module.chosen_model() == CELL_MODELS[-1].name


def test_a_pipeline_that_lacks_a_new_option_gets_its_default(module):
    saved = [s.unicode_value for s in module.settings()]
    fresh = instantiate_module("SegmentDarkfieldCells")
    fresh.set_settings_from_values(saved[:-1], 1, "SegmentDarkfieldCells")

    assert fresh.segmentation_options.options() == SegmentationOptions()


def test_the_model_is_written_into_the_experiment(module, color_weights):
    workspace = make_workspace(module, {})
    module.prepare_run(workspace)

    name = "Darkfield_Model_BloodCells"
    assert workspace.measurements.get_experiment_measurement(name) == str(color_weights)


def change_options(module):
    """Set all that the core is told to something other than its default."""
    module.threshold.value = 0.25
    module.cell_diameter_choice.value = "Enter a value"
    module.cell_diameter.value = 33.5
    module.separate_touching.value = False
    module.fill_holes.value = False
    module.minimum_area.value = 7
    module.discard_border.value = True
    module.bfloat16.value = True
    module.minimum_probability.value = 0.6


@needs_tensorflow
def test_every_setting_reaches_the_core(module, field, monkeypatch, plugin, color_weights):
    change_options(module)
    calls = []

    def load(model, engine):
        calls.append((model, engine))
        return load_model(model, engine)

    def record(pixels, model, mask, options):
        calls.append(options)
        return segment_image(pixels, model, mask, options)

    module.core = dataclasses.replace(module.core, load_model=load)
    monkeypatch.setattr(plugin, "segment_image", record)
    module.run(make_workspace(module, {"Field": field}))

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


def test_module_finds_objects_in_planes(module):
    assert not module.volumetric()
    assert module.is_object_identification_module()


def test_help_is_valid_markup(module):
    assert_help_is_valid_markup(module)


def test_every_saved_setting_has_a_help_text_of_its_own(module):
    first, second = ([s.text for s in group.pipeline_settings()] for group in module.groups)
    texts = [setting.text for setting in module.help_settings()]

    assert second == first
    assert len(set(texts)) == len(texts)
    saved = [setting.text for setting in module.settings()]
    assert sorted([*texts, *second, module.group_count.text]) == sorted(saved)


def test_settings_are_visible_only_where_they_matter():
    module = instantiate_module("SegmentDarkfieldCells")
    few = {setting.text for setting in module.visible_settings()}
    want_images(module)
    module.model.value = "Custom model"
    module.cell_diameter_choice.value = module.minimum_length_choice.value = "Enter a value"
    saved = module.settings()

    assert sorted({setting.text for setting in saved} - few) == [
        "Name the mask",
        "Name the probability image",
        "Number of classes",
        "Value in pixels",
        "Value in pixels along the line",
        "Weights file location",
        "Weights file name",
    ]
    visible = [setting.text for setting in module.visible_settings()]
    assert [text for text in visible if text != module.add_button.text] == [
        setting.text for setting in saved if setting is not module.group_count
    ]


def test_classes_are_added_and_removed_as_the_model_knows_them():
    module = instantiate_module("SegmentDarkfieldCells")
    assert [group.class_name.value for group in module.groups] == ["blood cell"]
    module.add_button.on_event_fired()
    cells, spirochaetes = module.groups
    assert (
        cells.class_name.choices
        == spirochaetes.class_name.choices
        == [
            "blood cell",
            "spirochaete",
        ]
    )
    assert (spirochaetes.class_name.value, spirochaetes.objects_name.value) == (
        "spirochaete",
        "Spirochaetes",
    )
    spirochaetes.remover.on_event_fired()
    assert module.groups == [cells]
    assert module.group_count.value == 1
    assert not hasattr(cells, "remover")


def test_settings_survive_a_saved_pipeline(module):
    want_images(module)
    want_other_names(module)
    module.groups[0].mask_name.value = "RedMask"
    change_options(module)
    copy = saved_and_loaded(module)

    assert copy.segmentation_options.options() == module.segmentation_options.options()
    assert copy.engine_options.options() == module.engine_options.options()
    assert copy.groups[1].objects_name.value == "Blue"
    assert copy.chosen_model() == module.chosen_model()


# Validation


def test_same_name_twice_is_refused(module):
    want_images(module)
    module.validate_module(None)  # the names that are suggested differ

    spirochaetes = module.groups[1]
    spirochaetes.mask_name.value = "BloodCellMask"
    with pytest.raises(ValidationError, match="BloodCellMask has already been used"):
        module.validate_module(None)
    spirochaetes.objects_name.value = "BloodCells"
    with pytest.raises(ValidationError, match="BloodCells has already been used"):
        module.validate_module(None)
    spirochaetes.class_name.value = "blood cell"
    with pytest.raises(ValidationError, match="blood cell has already been used"):
        module.validate_module(None)

    want_cells_only(module)
    module.validate_module(None)


def test_missing_weights_file_is_named(module, tmp_path):
    choose_weights(module, tmp_path / "mine.h5")

    with pytest.raises(ValidationError, match=r"mine\.h5 does not exist") as error:
        module.validate_module(None)

    assert error.value.get_setting() is module.weights_file


# Objects and measurements


@pytest.mark.parametrize(
    "choose",
    [
        lambda module: None,
        want_images,
        want_cells_only,
        want_other_names,
        lambda module: [want(module) for want in (want_images, want_other_names)],
    ],
)
@pytest.mark.parametrize("dark", [False, True])
def test_written_features_are_the_declared_columns(module, field, choose, dark):
    choose(module)
    workspace = make_workspace(module, {"Field": np.zeros_like(field) if dark else field})
    module.run(workspace)

    assert_declared_is_written(module, workspace)


def test_unknown_objects_and_categories_have_no_measurements(module):
    want_cells_only(module)

    assert module.get_categories(None, "Spirochaetes") == []
    assert module.get_measurements(None, "Spirochaetes", "Darkfield") == []
    assert module.get_measurements(None, IMAGE, "Intensity") == []


def test_cells_and_spirochaetes_become_objects(module, field, truth):
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    for name, kind, expected in (("BloodCells", 1, 3), ("Spirochaetes", 2, 2)):
        objects = workspace.object_set.get_objects(name)
        assert np.array_equal(objects.segmented > 0, truth == kind)
        assert objects.count == count(workspace, name) == expected
        means = object_values(workspace, name, "Darkfield_MeanProbability")
        assert means.shape == (expected,)
        assert means.min() > 0.99
        assert list(object_values(workspace, name, "Number_Object_Number")) == [
            *range(1, expected + 1)
        ]
    assert sorted(object_values(workspace, "BloodCells", "Location_Center_X")) == [25, 60, 90]
    assert sorted(object_values(workspace, "Spirochaetes", "Location_Center_Y")) == [64.5, 71.5]


def test_objects_and_means_are_those_of_the_core(module, field, color_weights, rng):
    noisy = np.clip(field + rng.normal(0, 0.4, field.shape), 0, 1)
    workspace = make_workspace(module, {"Field": noisy})
    module.run(workspace)

    result = segment_image(noisy, cell_model(color_weights))
    for name, expected in zip(("BloodCells", "Spirochaetes"), result.by_class):
        assert np.array_equal(workspace.object_set.get_objects(name).segmented, expected.labels)
        found = object_values(workspace, name, "Darkfield_MeanProbability")
        np.testing.assert_allclose(found, expected.means)
    lengths = object_values(workspace, "Spirochaetes", "Darkfield_Length")
    np.testing.assert_allclose(lengths, expected.lengths)
    widths = object_values(workspace, "Spirochaetes", "Darkfield_MeanWidth")
    np.testing.assert_allclose(widths, expected.widths)


def test_spirochaetes_are_measured_by_length_and_width(module, field):
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    for feature, expected in (("Length", [30, 30]), ("MeanWidth", [4, 4])):
        found = object_values(workspace, "Spirochaetes", f"Darkfield_{feature}")
        np.testing.assert_allclose(found, expected, rtol=0.08)
    assert "Length" not in module.get_measurements(None, "BloodCells", "Darkfield")


def test_spirochaetes_are_made_only_if_asked_for(module, field):
    want_cells_only(module)
    want_images(module)
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    assert workspace.object_set.get_object_names() == ["BloodCells"]
    assert workspace.image_set.names == ["Field", "BloodCellMask", "BloodCellProbability"]


def test_discarded_cells_are_no_objects_but_known_to_later_modules(module, field, truth):
    module.discard_border.value = True
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.count == 2
    assert np.array_equal(objects.unedited_segmented > 0, truth == 1)


def test_gray_image_is_a_color_image_without_color(module, truth):
    gray = (truth == 1) * 0.9 + 0.05
    workspace = make_workspace(module, {"Field": gray})
    module.run(workspace)

    found = workspace.object_set.get_objects("BloodCells").segmented
    assert np.array_equal(found > 0, truth == 1)
    assert count(workspace, "Spirochaetes") == 0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((40, 50)),
        np.full((40, 50, 3), 0.3),
        np.full((40, 50, 3), np.nan),
        np.zeros((1, 1)),
        np.zeros((33, 20), dtype=bool),
        np.zeros((40, 50, 4)),
    ],
    ids=["black", "one color", "nan", "one pixel", "binary", "alpha"],
)
def test_image_that_shows_nothing_gives_no_objects(module, pixels):
    want_images(module)
    module.show_window = True
    workspace = make_workspace(module, {"Field": pixels})
    module.run(workspace)
    displayed(module, workspace)

    for name in ("BloodCell", "Spirochaete"):
        assert count(workspace, f"{name}s") == 0
        assert object_values(workspace, f"{name}s", "Darkfield_MeanProbability").size == 0
        assert object_values(workspace, f"{name}s", "Location_Center_X").size == 0
        mask = workspace.image_set.get_image(f"{name}Mask").pixel_data
        assert mask.shape == pixels.shape[:2]
        assert not mask.any()


# Masks and images


def test_mask_of_the_input_is_respected(module, field, truth):
    want_images(module)
    inside = np.ones(truth.shape, dtype=bool)
    inside[:, 64:] = False
    image = Image(field, mask=inside)
    workspace = make_workspace(module, {"Field": image})
    module.run(workspace)

    assert count(workspace, "BloodCells") == 2
    assert count(workspace, "Spirochaetes") == 1
    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.parent_image is image
    assert not objects.segmented[~inside].any()
    for name in ("BloodCellMask", "BloodCellProbability", "SpirochaeteProbability"):
        found = workspace.image_set.get_image(name)
        assert np.array_equal(found.mask, inside)
        assert not found.pixel_data[~inside].any()


def test_cropped_image_gives_objects_of_its_own_size(module, field):
    keep = np.zeros(field.shape[:2], dtype=bool)
    keep[:60, :64] = True
    cropped = Image(field[:60, :64], crop_mask=keep, parent_image=Image(field))
    workspace = make_workspace(module, {"Field": cropped})
    module.run(workspace)

    objects = workspace.object_set.get_objects("BloodCells")
    assert objects.segmented.shape == (60, 64)
    assert objects.count == 1


def test_image_that_is_masked_altogether_has_no_objects(module, field):
    module.show_window = True
    workspace = make_workspace(
        module, {"Field": Image(field, mask=np.zeros(field.shape[:2], dtype=bool))}
    )
    module.run(workspace)

    assert count(workspace, "BloodCells") == 0
    assert workspace.display_data.statistics[1] == ("Area", "0 %", "0 %")


def test_masks_are_binary_images_of_the_objects(module, field, truth):
    want_images(module)
    module.discard_border.value = True
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    for name in ("BloodCell", "Spirochaete"):
        mask = workspace.image_set.get_image(f"{name}Mask", must_be_binary=True).pixel_data
        objects = workspace.object_set.get_objects(f"{name}s").segmented
        assert np.array_equal(mask, objects > 0)


def test_probability_images_are_those_of_the_core(module, field, color_weights):
    want_images(module)
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    expected = segment_image(field, cell_model(color_weights)).probabilities
    for name, kind in (("BloodCellProbability", 1), ("SpirochaeteProbability", 2)):
        found = workspace.image_set.get_image(name, must_be_grayscale=True).pixel_data
        np.testing.assert_allclose(found, expected[..., kind], atol=1e-6)


# Figure


def test_figure_shows_image_outlines_probabilities_and_a_table(module, field, truth):
    module.show_window = True
    module.discard_border.value = True
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)
    figure = displayed(module, workspace)

    plain, probabilities, outlined, legends = figure.subplots.ravel()
    titles = [axes.get_title() for axes in (plain, outlined, probabilities)]
    assert titles == ["Field", "BloodCells and Spirochaetes", "Probabilities"]
    for axes in (plain, outlined):
        np.testing.assert_allclose(axes.images[0].get_array(), field, rtol=1e-6)
    shown = probabilities.images[0].get_array()
    assert shown[25, 25, 0] > 0.99 > 0.2 > shown[25, 25, 2]
    cells = workspace.object_set.get_objects("BloodCells").segmented > 0
    assert figure.table[:3] == [
        ["", "BloodCells", "Spirochaetes"],
        ["Objects", f"{count(workspace, 'BloodCells'):.0f}", "2"],
        ["Area", f"{100 * cells.mean():.1f} %", f"{24000 / truth.size:.1f} %"],
    ]
    assert [row[0] for row in figure.table[3:]] == ["Median size", "Probability"]
    table_top = figure.figure.bbox.height * (1 - figure.table_place[1] / 2)
    for legend in legends.findobj(Legend):
        assert legend.get_window_extent().y0 >= table_top


def test_outlines_have_a_legend_and_stay_inside_of_the_image(module, field, truth):
    module.show_window = True
    module.discard_border.value = True
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)
    figure = displayed(module, workspace)

    cells, spirochaetes, left_out = figure.subplot(1, 0).collections
    for outlines in (cells, spirochaetes, left_out):
        assert outlines.get_linewidth() == 1.5
        assert all((line < 1000).all() for line in outlines.get_segments())
    assert len(cells.get_segments()) == count(workspace, "BloodCells")
    assert len(left_out.get_segments()) == 3 - count(workspace, "BloodCells")
    legends = figure.subplot(1, 1).findobj(Legend)
    found = {one.get_title().get_text(): [t.get_text() for t in one.get_texts()] for one in legends}
    assert found == {
        "Outlines": ["BloodCells", "Spirochaetes", "Left out"],
        "Probabilities": ["BloodCells", "Spirochaetes"],
    }


def test_area_counts_the_pixels_inside_of_the_mask(module, field, truth):
    module.show_window = True
    inside = np.zeros(truth.shape, dtype=bool)
    inside[:50, :64] = True
    workspace = make_workspace(module, {"Field": Image(field, mask=inside)})
    module.run(workspace)

    share = np.count_nonzero(truth[inside] == 1) / np.count_nonzero(inside)
    assert workspace.display_data.statistics[1] == ("Area", f"{100 * share:.1f} %", "0 %")


def test_nothing_is_kept_for_the_figure_without_a_window(module, field):
    module.show_window = False
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    assert vars(workspace.display_data) == {}


# Mistakes


@pytest.mark.parametrize("shape", [(40, 40, 5), (5, 40, 40)])
def test_stack_or_many_channels_are_refused_in_a_sentence(module, shape):
    workspace = make_workspace(module, {"Field": np.zeros(shape)})

    with pytest.raises(UserError, match="^Field: .*neither gray nor color") as error:
        module.run(workspace)

    assert isinstance(error.value.__cause__, UserError)  # the log says what led to it


def test_volumetric_pipeline_is_refused_by_cellprofiler(module, field):
    message = refusal_of_volumes(make_workspace(module, {"Field": field}))

    assert re.search(r"do not support 3D processing:\s*SegmentDarkfieldCells", message)


def test_wrong_weights_file_is_refused_in_a_sentence(module, field):
    choose_weights(module, FOCUS_MODELS[-1].path)
    workspace = make_workspace(module, {"Field": field})

    with pytest.raises(UserError, match=r"^/.*\.h5 holds weights of focus"):
        module.run(workspace)


@pytest.fixture
def pets(color_weights, tmp_path):
    """The same network with other names of the classes, the second of which is no filament."""
    weights = read_weights(color_weights, ["segment-unet-vgg16-1"])
    weights.attributes["class_names"] = ["background", "cat", "tall dog"]
    write_weights(tmp_path / "pets.h5", weights)
    return tmp_path / "pets.h5"


def test_a_class_that_the_model_lacks_is_refused_with_those_that_it_has(module, field, pets):
    choose_weights(module, pets)
    workspace = make_workspace(module, {"Field": field})

    with pytest.raises(ValidationError, match="blood cell is not one of cat,tall dog"):
        module.groups[0].class_name.test_valid(None)
    with pytest.raises(UserError, match="^Field: .*no blood cell: choose one of cat, tall dog"):
        module.run(workspace)


def test_classes_of_a_model_of_ones_own_become_objects(field, truth, pets):
    module = instantiate_module("SegmentDarkfieldCells")
    module.x_name.value = "Field"
    choose_weights(module, pets)
    module.groups[0].class_name.value = "cat"
    module.groups[0].objects_name.value = "Cats"
    module.add_next_class()
    module.show_window = True
    workspace = make_workspace(module, {"Field": field})
    module.run(workspace)

    assert_declared_is_written(module, workspace)
    for name, kind in (("Cats", 1), ("TallDogs", 2)):
        assert np.array_equal(workspace.object_set.get_objects(name).segmented > 0, truth == kind)
    assert displayed(module, workspace).table[0] == ["", "Cats", "TallDogs"]


def test_a_missing_model_leaves_the_class_as_it_is(module, tmp_path):
    choose_weights(module, tmp_path / "none.h5")
    assert module.groups[0].class_name.choices == ["blood cell"]
    assert module.get_measurements(None, "Spirochaetes", "Darkfield") == ["MeanProbability"]


# The example pipelines


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
    """A copy of a pipeline file that takes a weights file of one's own."""
    text = re.sub(r"the model:.*", "the model:Custom model", pipeline.read_text())
    text = text.replace("location:Elsewhere...|\n", f"location:Elsewhere...|{weights.parent}\n")
    copy = folder / pipeline.name
    copy.write_text(text.replace("name:darkfield.h5", f"name:{weights.name}"))
    return copy


@pytest.fixture
def folder(field, truth, tmp_path):
    """Images of two sizes and bit depths and one that shows nothing, with the true masks."""
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.rint(field * 255).astype(np.uint8)
    for name, image, classes in (
        ("field1.png", pixels, truth),
        ("field2.tif", pixels[:68].astype(np.uint16) * 257, truth[:68]),
        ("black.png", np.zeros((90, 80), np.uint8), np.zeros((90, 80), np.uint8)),
    ):
        imageio.imwrite(folder / name, image)
        mask = ((classes == 1) * 255).astype(np.uint8)
        imageio.imwrite(folder / f"{Path(name).stem}_mask.png", mask)
    return folder


def test_cells_pipeline_runs_headless(folder, truth, color_weights, tmp_path):
    output = tmp_path / "out"
    run_cellprofiler(with_weights(CELLS, color_weights, tmp_path), folder, output)

    table = pd.read_csv(output / "Darkfield_Image.csv").set_index("FileName_Image")
    assert list(table["Count_BloodCells"].loc[["field1.png", "field2.tif", "black.png"]]) == [
        *(3, 2, 0)
    ]
    assert list(table["Count_Spirochaetes"].loc[["field1.png", "black.png"]]) == [2, 0]
    cells = pd.read_csv(output / "Darkfield_BloodCells.csv").groupby("FileName_Image")
    areas = cells.get_group("field1.png")["AreaShape_Area"]
    assert areas.sum() == np.count_nonzero(truth == 1)
    assert cells.get_group("field1.png")["Darkfield_MeanProbability"].min() > 0.99
    spirochaetes = pd.read_csv(output / "Darkfield_Spirochaetes.csv")
    # That of the second image is cut off at 18 pixels.
    np.testing.assert_allclose(spirochaetes["Darkfield_Length"], [30, 30], rtol=0.08)
    mask = imageio.imread(output / "field1_cells.png")
    assert np.array_equal(mask, (truth == 1) * 255)
    assert imageio.imread(output / "field1_outlines.png").shape == (*truth.shape, 3)


def test_evaluate_pipeline_runs_headless(folder, color_weights, tmp_path):
    worse = imageio.imread(folder / "field2_mask.png")
    worse[:, :64] = 0
    imageio.imwrite(folder / "field2_mask.png", worse)
    output = tmp_path / "out"
    run_cellprofiler(with_weights(EVALUATE, color_weights, tmp_path), folder, output)

    table = pd.read_csv(output / "DarkfieldEvaluation_Image.csv").set_index("FileName_Image")
    assert sorted(table["FileName_Truth"]) == ["black_mask.png", "field1_mask.png"] + [
        "field2_mask.png"
    ]
    column = "Overlap_Ffactor_BloodCellMask"
    assert table.loc["field1.png", column] == table.loc["black.png", column] == 1
    found, true = 2 * np.count_nonzero(worse), np.count_nonzero(worse)
    assert table.loc["field2.tif", column] == pytest.approx(2 * true / (found + true), abs=1e-6)
    for name in ("BloodCells", "Spirochaetes"):
        objects = pd.read_csv(output / f"DarkfieldEvaluation_{name}.csv")
        counts = objects.groupby("FileName_Image").size().reindex(table.index, fill_value=0)
        assert list(counts) == list(table[f"Count_{name}"])
        assert counts.sum() >= 2
        assert objects["AreaShape_Area"].min() > 0
