import re
import shutil
import sys
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
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.utilities.core.modules import instantiate_module
from cellprofiler_core.workspace import Workspace
from click.testing import CliRunner
from harness import (
    CELLPROFILER_5,
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
from matplotlib.backend_bases import MouseEvent
from scipy.ndimage import gaussian_filter
from support import FOCUS_MODELS, measure

from focusqual import FocusOptions
from focusqual.commandline.commands import main
from focusqual.inference.maps import patch_pixels
from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.picture import annotate
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import read_image
from micrograph_networks.images.planes import planes_of, position_columns, position_values

PIPELINE, RANK, BEST, PROFILES = (
    ROOT / "example_pipelines" / f"{name}.cppipe"
    for name in ("focus_qc", "focus_rank_planes", "focus_best_planes", "focus_profiles")
)


@pytest.fixture(scope="session")
def plugin():
    """The Python module that CellProfiler has loaded."""
    return sys.modules["measureimagefocusquality"]


@pytest.fixture
def module():
    """A fresh module that measures the image DNA."""
    module = instantiate_module("MeasureImageFocusQuality")
    module.image_groups[0].image_name.value = "DNA"
    return module


@pytest.fixture(scope="session")
def scene():
    """Blobs, 200 pixels high and 190 wide: 3 x 3 patches of which the last are moved inwards."""
    noise = np.random.default_rng(0).random((200, 190), dtype=np.float32)
    blobs = gaussian_filter(noise, 3)
    return (blobs - blobs.min()) / np.ptp(blobs)


def image_value(workspace, feature, image="DNA"):
    return workspace.measurements.get_current_image_measurement(f"ImageFocus_{feature}_{image}")


def object_values(workspace, objects, feature, image="DNA"):
    name = f"ImageFocus_{feature}_{image}" if image else feature
    return workspace.measurements.get_current_measurement(objects, name)


def want_everything(module):
    group = module.image_groups[0]
    group.wants_patches.value = True
    group.wants_level_image.value = True
    group.wants_certainty_image.value = True
    group.wants_annotated_image.value = True


def want_objective(module):
    module.rescaling.value = "objective"
    module.pixel_size.value = 0.325
    module.numerical_aperture.value = 0.75


def want_objects(module):
    module.wants_objects.value = True
    module.objects_list.value = "Nuclei, Cells"


def want_two_images(module):
    module.add_image()
    module.image_groups[1].image_name.value = "Actin"


def want_two_sets_of_patches(module):
    want_two_images(module)
    for number, group in enumerate(module.image_groups):
        group.wants_patches.value = True
        group.patches_name.value = f"Patches{number}"


# What CellProfiler sees of the module


def test_default_settings_are_those_of_the_core(module):
    assert module.focus_options.options() == FocusOptions()


def test_module_is_for_planes_only(module):
    assert not module.volumetric()


def test_help_is_valid_markup(module):
    assert_help_is_valid_markup(module)


def test_every_saved_setting_has_help(module):
    want_two_images(module)

    saved = {s.text for s in module.settings()} - {"Image count"}

    assert sorted(saved) == sorted(s.text for s in module.help_settings())


def test_names_of_outputs_are_visible_only_where_they_are_used(module):
    names = {s.text for s in module.visible_settings() if s.text.startswith("Name the")}
    want_everything(module)
    wanted = {s.text for s in module.visible_settings() if s.text.startswith("Name the")}

    assert names == set()
    assert wanted == {
        "Name the patch objects",
        "Name the focus level image",
        "Name the certainty image",
        "Name the annotated image",
    }


def test_a_pipeline_that_lacks_a_new_option_gets_its_default(module):
    module.stride.value = 21
    saved = [s.unicode_value for s in module.settings()]
    fresh = instantiate_module("MeasureImageFocusQuality")
    fresh.set_settings_from_values(saved[:-1], 1, "MeasureImageFocusQuality")

    assert fresh.focus_options.options() == FocusOptions(stride=21)


def test_the_model_is_written_into_the_experiment(module, tmp_path):
    workspace = make_workspace(module, {"DNA": np.zeros((100, 100))})
    module.prepare_run(workspace)
    name = "ImageFocus_Model_DNA"
    assert workspace.measurements.get_experiment_measurement(name) == FOCUS_MODELS[-1].name

    choose_weights(module, tmp_path / "mine.h5")
    module.prepare_run(workspace)
    found = workspace.measurements.get_experiment_measurement(name)
    assert found == str(tmp_path / "mine.h5")


def test_settings_survive_a_saved_pipeline(module):
    want_everything(module)
    want_objects(module)
    want_two_images(module)
    module.image_groups[1].wants_level_image.value = True
    module.image_groups[1].level_image_name.value = "ActinLevel"
    module.model.value = "Custom model"
    module.weights_file.value = "mine.h5"
    module.stride.value = 21
    module.scale.value = 0.5
    module.uncertain_below.value = 0.125
    module.out_of_focus_from.value = 4
    copy = saved_and_loaded(module)

    assert len(copy.image_groups) == 2
    assert copy.stride.value == 21
    assert copy.scale.value == 0.5
    assert copy.objects_list.value == ["Nuclei", "Cells"]


def test_images_are_removed_when_a_pipeline_has_fewer(module):
    saved = [s.unicode_value for s in module.settings()]
    want_two_images(module)
    module.set_settings_from_values(saved, 1, "MeasureImageFocusQuality")

    assert [g.image_name.value for g in module.image_groups] == ["DNA"]


def test_button_removes_an_image(module):
    want_two_images(module)
    module.image_groups[1].remover.on_event_fired()

    assert [g.image_name.value for g in module.image_groups] == ["DNA"]


def test_weights_folder_follows_the_file_browser(module, tmp_path):
    module.weights_file.set_directory_fn(str(tmp_path))

    assert module.weights_file.get_directory_fn() == str(tmp_path)


def test_weights_folder_is_changed_for_a_cluster(module, tmp_path):
    module.weights_directory.join_parts("Elsewhere...", str(tmp_path))
    module.prepare_to_create_batch(None, lambda path, regexp_substitution: "/cluster/weights")

    assert module.weights_directory.get_absolute_path() == "/cluster/weights"


# Validation


def test_same_image_twice_is_refused(module):
    module.add_image()
    module.image_groups[1].image_name.value = "DNA"

    with pytest.raises(ValidationError, match="DNA has already been used"):
        module.validate_module(None)


def test_same_output_name_twice_is_refused(module):
    want_two_images(module)
    for group in module.image_groups:
        group.wants_patches.value = True
    module.validate_module(None)  # the names that are suggested differ

    module.image_groups[1].patches_name.value = "FocusPatches"
    with pytest.raises(ValidationError, match="FocusPatches has already been used"):
        module.validate_module(None)


def test_objects_must_be_chosen(module):
    module.wants_objects.value = True

    with pytest.raises(ValidationError, match="No objects selected"):
        module.validate_module(None)


def test_missing_weights_file_is_named(module, tmp_path):
    choose_weights(module, tmp_path / "focus.h5")

    with pytest.raises(ValidationError, match=r"focus\.h5 does not exist") as error:
        module.validate_module(None)

    assert error.value.get_setting() is module.weights_file


def test_validation_does_not_read_the_weights(module, tmp_path):
    (tmp_path / "focus.h5").write_text("no weights")
    choose_weights(module, tmp_path / "focus.h5")

    module.validate_module(None)


def test_an_aperture_without_its_medium_is_refused(module):
    want_objective(module)
    module.validate_module(None)
    module.numerical_aperture.value = 1.4

    with pytest.raises(ValidationError, match="enter that of the immersion medium") as error:
        module.validate_module(None)

    assert error.value.get_setting() is module.numerical_aperture


# Measurements


@pytest.mark.parametrize(
    "choose",
    [
        lambda module: None,
        want_everything,
        want_objects,
        want_objective,
        want_two_images,
        want_two_sets_of_patches,
        lambda module: [want(module) for want in (want_everything, want_objects, want_two_images)],
    ],
)
def test_written_features_are_the_declared_columns(module, scene, choose):
    choose(module)
    labels = np.zeros(scene.shape, int)
    labels[50:60, 50:60] = 1
    workspace = make_workspace(
        module, {"DNA": scene, "Actin": scene[:100]}, {"Nuclei": labels, "Cells": labels}
    )
    module.run(workspace)

    assert_declared_is_written(module, workspace)


def test_unknown_objects_and_categories_have_no_measurements(module):
    want_everything(module)

    assert module.get_categories(None, "Nuclei") == []
    assert module.get_measurements(None, IMAGE, "Intensity") == []
    assert module.get_measurement_images(None, IMAGE, "Intensity", "Score") == []


def test_image_measurements_are_the_summary_of_the_core(module, scene):
    module.stride.value = 50
    module.scale.value = 0.8
    module.uncertain_below.value = 0.01
    module.out_of_focus_from.value = 7
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    options = FocusOptions(stride=50, scale=0.8, uncertain_below=0.01, out_of_focus_from=7)
    summary = measure(scene, options=options).summary
    assert image_value(workspace, "Score") == summary["score"]
    assert image_value(workspace, "Certainty") == summary["certainty"]
    assert image_value(workspace, "ExpectedLevel") == summary["expected_level"]
    assert image_value(workspace, "CertaintyMean") == summary["certainty_mean"]
    assert image_value(workspace, "CertaintyMax") == summary["certainty_max"]
    assert image_value(workspace, "CertaintyWeighted") == summary["certainty_weighted"]
    assert image_value(workspace, "FractionInFocus") == summary["in_focus"]
    assert image_value(workspace, "FractionOutOfFocus") == summary["out_of_focus"]
    assert image_value(workspace, "FractionUncertain") == summary["uncertain"]
    assert image_value(workspace, "PatchCount") == summary["patches"]
    for level in range(11):
        assert image_value(workspace, f"Probability{level}") == summary[f"p{level}"]


def test_settings_of_the_objective_are_visible_where_they_are_used(module):
    def labels():
        return [s.text for s in module.visible_settings()]

    choice = labels().index("How to rescale images")
    assert labels()[choice + 1] == "Rescaling factor"
    assert "Numerical aperture" not in labels()

    want_objective(module)
    assert labels()[choice + 1 : choice + 6] == [
        "Pixel size in micrometers",
        "Numerical aperture",
        "Wavelength in micrometers",
        "Refractive index of the immersion medium",
        "How patches make up the image",
    ]


def test_defocus_in_micrometers_is_measured_with_an_objective(module, scene):
    want_objective(module)
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    options = FocusOptions(
        rescaling="objective", pixel_size=0.325, numerical_aperture=0.75, wavelength=0.5
    )
    summary = measure(scene, options=options).summary
    assert image_value(workspace, "ExpectedLevel") == summary["expected_level"]
    expected = summary["expected_level"] * 0.5 / 0.75**2
    assert image_value(workspace, "ExpectedDefocus") == pytest.approx(expected)


def ranked(module, groups, levels):
    """Ranks of image sets of which the module has measured the levels; None where it failed."""
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
        workspace = Workspace(None, module, None, None, measurements, None)
        module.post_group(workspace, {})
    numbers = list(range(1, len(groups) + 1))
    return [
        [int(value) for value in measurements[IMAGE, f"ImageFocus_{feature}_DNA", numbers]]
        for feature in ("RankInGroup", "BestInGroup")
    ]


def test_images_are_ranked_within_their_group(module):
    ranks, best = ranked(module, [1, 2, 1, 2, 1], [4.0, 2.0, 1.0, 3.0, 2.0])
    assert ranks == [3, 1, 1, 2, 2]
    assert best == [0, 1, 1, 0, 0]


def test_images_that_could_not_be_measured_are_ranked_last(module):
    ranks, best = ranked(module, [1, 1, 1], [None, np.nan, 7.0])
    assert ranks == [2, 3, 1]
    assert best == [0, 0, 1]


def test_ranks_are_declared_for_the_end_of_the_group(module):
    module.wants_ranks.value = True
    columns = [c for c in module.get_measurement_columns(None) if "InGroup" in c[1]]
    attributes = {MCA_AVAILABLE_POST_GROUP: True}
    assert columns == [
        (IMAGE, "ImageFocus_BestInGroup_DNA", COLTYPE_INTEGER, attributes),
        (IMAGE, "ImageFocus_RankInGroup_DNA", COLTYPE_INTEGER, attributes),
    ]
    assert "RankInGroup" in module.get_measurements(None, IMAGE, "ImageFocus")


def test_nothing_is_ranked_unless_it_is_wanted(module):
    workspace = make_workspace(module, {"DNA": np.zeros((9, 9))})
    module.post_group(workspace, {})
    assert IMAGE not in workspace.measurements.get_object_names()


@pytest.mark.parametrize("stride", [84, 30])
def test_every_patch_is_an_object_though_they_overlap(module, scene, stride):
    want_everything(module)
    module.stride.value = stride
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    measurement = measure(scene, options=FocusOptions(stride=stride))
    boxes = measurement.boxes.reshape(-1, 4)
    objects = workspace.object_set.get_objects("FocusPatches")
    assert objects.count == len(boxes)
    assert np.array_equal(objects.areas, boxes[:, 2] * boxes[:, 3])
    assert workspace.measurements.get_current_image_measurement("Count_FocusPatches") == len(boxes)
    assert np.array_equal(
        object_values(workspace, "FocusPatches", "Location_Center_X", None),
        boxes[:, 1] + (boxes[:, 3] - 1) / 2,
    )
    assert np.array_equal(
        object_values(workspace, "FocusPatches", "Location_Center_Y", None),
        boxes[:, 0] + (boxes[:, 2] - 1) / 2,
    )
    for feature, values in (
        ("Level", measurement.level),
        ("ExpectedLevel", measurement.expected_level),
        ("Certainty", measurement.certainty),
        ("Probability3", measurement.probabilities[..., 3]),
    ):
        found = object_values(workspace, "FocusPatches", feature)
        assert np.array_equal(found, values.ravel()), feature


def test_label_planes_hold_every_overlapping_patch():
    boxes = np.array([[[0, 0, 4, 4], [0, 2, 4, 4]]])
    measurement = FocusMeasurement(boxes, np.full((1, 2, 11), 1 / 11), np.ones((1, 2), bool))
    objects = Objects()
    objects.set_ijv(patch_pixels(measurement), shape=(4, 6))

    found = {label: plane == label for plane, labels in objects.get_labels() for label in labels}
    assert np.array_equal(np.flatnonzero(found[1].any(axis=0)), [0, 1, 2, 3])
    assert np.array_equal(np.flatnonzero(found[2].any(axis=0)), [2, 3, 4, 5])


def test_patches_outside_of_the_mask_are_rows_without_values(module, scene):
    want_everything(module)
    mask = np.zeros(scene.shape, dtype=bool)
    mask[:84] = True
    workspace = make_workspace(module, {"DNA": Image(scene, mask=mask)})
    module.run(workspace)

    levels = object_values(workspace, "FocusPatches", "Level").reshape(3, 3)
    assert np.isfinite(levels[0]).all()
    assert np.isnan(levels[1:]).all()
    assert image_value(workspace, "PatchCount") == 3
    assert image_value(workspace, "Score") == measure(scene, mask).summary["score"]
    assert np.array_equal(workspace.image_set.get_image("FocusLevel").mask, mask)


def test_image_that_is_masked_altogether_gives_nan(module, scene):
    want_everything(module)
    workspace = make_workspace(module, {"DNA": Image(scene, mask=np.zeros(scene.shape))})
    module.run(workspace)

    assert np.isnan(image_value(workspace, "Score"))
    assert np.isnan(image_value(workspace, "Probability0"))
    assert image_value(workspace, "PatchCount") == 0
    assert np.isnan(object_values(workspace, "FocusPatches", "Certainty")).all()
    assert not workspace.image_set.get_image("FocusLevel").mask.any()


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
    module.show_window = True
    workspace = make_workspace(module, {"DNA": pixels})
    module.run(workspace)

    assert image_value(workspace, "PatchCount") == np.isfinite(pixels).any() * len(
        object_values(workspace, "FocusPatches", "Level")
    )
    for name in ("FocusLevel", "FocusCertainty", "FocusAnnotated"):
        found = workspace.image_set.get_image(name).pixel_data
        assert found.shape[:2] == pixels.shape
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_black_image_is_not_certain(module):
    workspace = make_workspace(module, {"DNA": np.zeros((100, 100))})
    module.run(workspace)

    assert image_value(workspace, "Certainty") == pytest.approx(0, abs=1e-6)
    assert image_value(workspace, "FractionUncertain") == 1


def test_color_is_measured_by_its_luma(module, scene):
    want_two_images(module)
    color = np.stack([scene, scene[::-1], scene[:, ::-1]], axis=-1)
    workspace = make_workspace(
        module, {"DNA": color, "Actin": color @ np.array([0.299, 0.587, 0.114], np.float32)}
    )
    module.run(workspace)

    assert image_value(workspace, "ExpectedLevel") == pytest.approx(
        image_value(workspace, "ExpectedLevel", "Actin"), rel=1e-4
    )


# Objects


def test_objects_get_the_mean_of_the_patches_that_cover_them(module, scene):
    want_objects(module)
    scene = scene[:168, :168]
    labels = np.zeros(scene.shape, int)
    labels[10:20, 10:20] = 1
    labels[80:88, 100:110] = 2
    workspace = make_workspace(module, {"DNA": scene}, {"Nuclei": labels, "Cells": 0 * labels})
    module.run(workspace)

    measurement = measure(scene)
    for feature, values in (
        ("MeanLevel", measurement.expected_level),
        ("MeanCertainty", measurement.certainty),
    ):
        expected = [values[0, 0], (values[0, 1] + values[1, 1]) / 2]
        found = object_values(workspace, "Nuclei", feature)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert len(object_values(workspace, "Cells", feature)) == 0


def test_objects_outside_of_the_mask_or_the_image_get_nan(module, scene):
    module.wants_objects.value = True
    module.objects_list.value = "Nuclei"
    mask = np.ones(scene.shape, dtype=bool)
    mask[:30] = False
    labels = np.zeros((300, 190), int)
    labels[10:20, 10:20] = 1
    labels[25:35, 10:20] = 2
    labels[250:260, 10:20] = 3
    workspace = make_workspace(module, {"DNA": Image(scene, mask=mask)}, {"Nuclei": labels})
    module.run(workspace)

    found = object_values(workspace, "Nuclei", "MeanLevel")
    assert list(np.isfinite(found)) == [False, True, False]


# Images


def test_maps_are_the_patches_spread_over_the_image(module, scene):
    want_everything(module)
    scene = scene[:84, :168]
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    measurement = measure(scene)
    level = workspace.image_set.get_image("FocusLevel").pixel_data
    certainty = workspace.image_set.get_image("FocusCertainty").pixel_data
    expected = np.repeat(measurement.expected_level, 84, axis=1).repeat(84, axis=0)
    np.testing.assert_allclose(level * 10, expected, rtol=1e-5)
    expected = np.repeat(measurement.certainty, 84, axis=1).repeat(84, axis=0)
    np.testing.assert_allclose(certainty, expected, rtol=1e-5)


def test_patches_that_do_not_count_do_not_enter_the_maps(module, scene):
    want_everything(module)
    mask = np.ones(scene.shape, dtype=bool)
    mask[100:] = False
    workspace = make_workspace(module, {"DNA": Image(scene, mask=mask)})
    module.run(workspace)

    measurement = measure(scene, mask)
    level = workspace.image_set.get_image("FocusLevel")
    assert list(measurement.counted.any(axis=1)) == [True, False, False]
    # Rows 84 to 99 are inside of the mask, but only patches that do not count cover them.
    assert np.array_equal(np.flatnonzero(level.mask.any(axis=1)), np.arange(84))
    assert level.pixel_data[0, 0] * 10 == pytest.approx(measurement.expected_level[0, 0], rel=1e-5)


def test_annotated_image_is_the_picture_of_the_core(module, scene):
    want_everything(module)
    module.show_window = True
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    picture = annotate(scene, measure(scene))
    found = workspace.image_set.get_image("FocusAnnotated").pixel_data
    assert np.array_equal(found, picture)
    assert np.array_equal(workspace.display_data.images[0]["picture"], picture)


# Figure


def test_figure_shows_pictures_distributions_one_legend_and_a_table(module, scene):
    want_two_images(module)
    module.show_window = True
    workspace = make_workspace(module, {"DNA": scene, "Actin": scene[:100]})
    module.run(workspace)
    figure = displayed(module, workspace)

    pictures = list(figure.subplots.ravel())
    assert [axes.get_title() for axes in pictures] == ["DNA", "Actin"]
    others = [axes for axes in figure.figure.axes if axes not in pictures]
    (legend,) = (axes for axes in others if axes.get_ylabel() == "Focus level")
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
    assert [row[:3] for row in figure.table] == [
        ["", "Score", "Expected"],
        *(
            [
                name,
                f"{image_value(workspace, 'Score', name):.0f}",
                f"{image_value(workspace, 'ExpectedLevel', name):.1f}",
            ]
            for name in ("DNA", "Actin")
        ),
    ]


def test_a_single_picture_takes_the_height_above_the_table(module, scene):
    module.show_window = True
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)
    figure = displayed(module, workspace)

    (picture,) = figure.subplots.ravel()
    assert picture.get_window_extent().height > 0.6 * figure.figure.bbox.height


def test_table_says_how_many_patches_count(module, scene):
    module.show_window = True
    mask = np.zeros(scene.shape, dtype=bool)
    mask[:84, :84] = True
    workspace = make_workspace(module, {"DNA": Image(scene, mask=mask)})
    module.run(workspace)
    patches = measure(scene).counted.size
    assert displayed(module, workspace).table[1][-1] == f"1 of {patches}"

    workspace = make_workspace(module, {"DNA": Image(scene, mask=np.zeros_like(mask))})
    module.run(workspace)
    assert displayed(module, workspace).table[1] == ["DNA", *[""] * 6, f"0 of {patches}"]


def test_status_bar_says_level_and_certainty_of_the_patch_under_the_mouse(module, scene):
    module.show_window = True
    mask = np.ones(scene.shape, dtype=bool)
    mask[:84, :84] = False
    workspace = make_workspace(module, {"DNA": Image(scene, mask=mask)})
    module.run(workspace)
    figure = displayed(module, workspace)
    (picture,) = figure.subplots.ravel()

    def fields_at(x, y):
        canvas = figure.figure.canvas
        place = picture.transData.transform((x, y))
        canvas.callbacks.process(
            "motion_notify_event", MouseEvent("motion_notify_event", canvas, *place)
        )
        return figure.status_bar.fields

    measurement = measure(scene, mask)
    assert fields_at(100, 40) == [
        "X: 100",
        "Y: 40",
        f"Level: {measurement.level[0, 1]}",
        f"Certainty: {measurement.certainty[0, 1]:.2f}",
    ]
    assert fields_at(40, 40) == ["X: 40", "Y: 40", "No patch counts here"]
    # CellProfiler unbinds what is in here when it clears the figure.
    for connection in sum(figure.event_bindings.values(), []):
        figure.figure.canvas.mpl_disconnect(connection)
    assert fields_at(100, 40) == ["X: 40", "Y: 40", "No patch counts here"]


def test_nothing_is_drawn_without_a_window(module, scene, monkeypatch, plugin):
    monkeypatch.setattr(plugin, "annotate", pytest.fail)
    module.show_window = False
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    assert vars(workspace.display_data) == {}


# Mistakes


@pytest.mark.parametrize("shape", [(100, 100, 5), (5, 100, 100)])
def test_stack_or_many_channels_are_refused_in_a_sentence(module, shape):
    workspace = make_workspace(module, {"DNA": np.zeros(shape)})

    with pytest.raises(UserError, match="^DNA: .*neither gray nor color") as error:
        module.run(workspace)

    assert isinstance(error.value.__cause__, UserError)  # the log says what led to it


def test_wrong_weights_file_is_refused_in_a_sentence(module, scene, tmp_path):
    (tmp_path / "focus.h5").write_text("no weights")
    choose_weights(module, tmp_path / "focus.h5")
    workspace = make_workspace(module, {"DNA": scene})

    with pytest.raises(UserError, match=r"^/.*focus\.h5 is not a weights file"):
        module.run(workspace)


def test_own_weights_file_is_used(module, scene, tmp_path):
    shutil.copy(FOCUS_MODELS[-1].path, tmp_path / "mine.h5")
    choose_weights(module, tmp_path / "mine.h5")
    workspace = make_workspace(module, {"DNA": scene})
    module.run(workspace)

    assert image_value(workspace, "Score") == measure(scene).summary["score"]


def test_volumetric_pipeline_is_refused_by_cellprofiler(module, scene):
    workspace = make_workspace(module, {"DNA": scene})

    message = refusal_of_volumes(workspace)
    assert re.search(r"do not support 3D processing:\s*MeasureImageFocusQuality", message)


# The example pipeline


def test_example_pipeline_is_valid_and_names_no_folder():
    assert assert_valid_and_portable(PIPELINE)[4:] == [
        "MeasureImageFocusQuality",
        "FlagImage",
        "SaveImages",
        "ExportToSpreadsheet",
    ]


def test_pipeline_for_profiles_is_valid_and_names_no_folder():
    modules = assert_valid_and_portable(PROFILES)
    assert modules[4:7] == [
        f"Identify{kind}Objects" for kind in ("Primary", "Secondary", "Tertiary")
    ]
    assert modules[7:] == [
        "MeasureImageFocusQuality",
        "MeasureObjectSizeShape",
        "MeasureObjectIntensity",
        "ExportToSpreadsheet",
    ]


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


def test_example_pipeline_of_ranks_is_valid_and_names_no_folder(java):
    assert assert_valid_and_portable(RANK)[3:] == [
        "Groups",
        "MeasureImageFocusQuality",
        "ExportToSpreadsheet",
    ]


@pytest.mark.skipif(
    CELLPROFILER_5, reason="its LoadData and SaveImages fail with the packages of today"
)
def test_planes_of_real_stacks_are_ranked_and_the_best_ones_kept(data_folder, tmp_path):
    ranks, kept = tmp_path / "ranks", tmp_path / "kept"
    run_cellprofiler(RANK, data_folder / "focus_stacks" / "beads_w1", ranks)
    run_cellprofiler(BEST, ranks, kept)

    table = pd.read_csv(ranks / "FocusRanks_Image.csv")
    stacks = table.groupby("Metadata_Stack")
    assert sorted(stacks.groups) == ["E07_s1_w1", "E07_s2_w1"]
    for _, planes in stacks:
        assert sorted(planes["ImageFocus_RankInGroup_Image"]) == list(range(1, 11))
        best = planes["ImageFocus_RankInGroup_Image"] == 1
        assert (planes["ImageFocus_BestInGroup_Image"] == best).all()
        # The focus lies between the planes 4 and 5.
        assert planes.loc[best, "Metadata_Plane"].isin([4, 5]).all()
    best = table[table["ImageFocus_BestInGroup_Image"] == 1]["FileName_Image"]
    expected = {name.replace(".tif", "_best.tiff") for name in best}
    assert {path.name for path in kept.iterdir()} == expected


def open_best_planes(table, pattern, tmp_path):
    """Save the best planes of a focus.csv by CellProfiler, and return the files."""
    arguments = ["best-planes", table, "--output", tmp_path / "best", "--pattern", pattern]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output

    head, load, _, save = BEST.read_text().strip().split("\n\n")
    load = load.replace("FocusRanks_Image.csv", "load_data.csv")
    pipeline = tmp_path / "load.cppipe"
    pipeline.write_text("\n\n".join([head.replace("Count:3", "Count:2"), load, save]) + "\n")
    run_cellprofiler(pipeline, tmp_path / "best", tmp_path / "kept")
    return sorted((tmp_path / "kept").iterdir())


@pytest.mark.skipif(
    CELLPROFILER_5, reason="its LoadData and SaveImages fail with the packages of today"
)
def test_the_table_of_best_planes_is_opened_by_cellprofiler(data_folder, tmp_path):
    folder = data_folder / "focus_stacks" / "beads_w1"
    table = tmp_path / "focus.csv"
    rows = [f"E07_s1_w1_z0{z}.tif,{abs(z - 5)},{abs(z - 5)},0.5,{folder}" for z in range(1, 10)]
    table.write_text("\n".join(["image,score,expected_level,certainty,folder", *rows]))
    pattern = "s(?P<Site>[0-9])_w1_z(?P<Plane>[0-9]+)"
    kept = open_best_planes(table, pattern, tmp_path)
    assert [path.name for path in kept] == ["E07_s1_w1_z05_best.tiff"]


@pytest.mark.skipif(
    CELLPROFILER_5, reason="its LoadData and SaveImages fail with the packages of today"
)
def test_the_best_planes_of_stack_files_are_opened_by_cellprofiler(tmp_path, rng):
    (tmp_path / "given").mkdir()
    images = rng.integers(0, 65535, (3, 2, 30, 40), dtype=np.uint16)
    hyperstack = tmp_path / "given" / "hyperstack.tif"
    tifffile.imwrite(hyperstack, images, imagej=True, metadata={"axes": "ZCYX"})
    # Larger than 4 GB, ImageJ describes a stack by its first page alone.
    large = tmp_path / "given" / "large.tif"
    described = "ImageJ=1.53\nimages=6\nchannels=2\nslices=3\nhyperstack=true\n"
    tifffile.imwrite(large, images[0, 0], description=described, metadata=None)
    with open(large, "ab") as file:
        file.write(images.reshape(6, -1)[1:].tobytes())
    # Pages in the order in which they were taken.
    taken, order = (
        tmp_path / "given" / "taken.ome.tif",
        ((1, 0), (2, 1), (0, 1), (0, 0), (1, 1), (2, 0)),
    )
    with tifffile.TiffWriter(taken) as file:
        for place in order:
            xml = ome_xml(order) if place == order[0] else None
            file.write(images[place], contiguous=False, metadata=None, description=xml)

    planes = [plane for plane in planes_of([tmp_path / "given"]) if plane.position["channel"] == 1]
    columns = position_columns(planes)
    with csv_table(
        tmp_path / "focus.csv",
        ["image", "score", "expected_level", "certainty", "folder", *columns],
    ) as table:
        for plane in planes:
            level = abs(plane.position["z"] - 1)
            row = [plane.name, level, level, 0.5, plane.path.parent]
            table.writerow([*row, *position_values(plane, columns)])
    pattern = "(?P<File>[^/]+)_ch1_z(?P<Plane>[0-9])$"
    for path in open_best_planes(tmp_path / "focus.csv", pattern, tmp_path):
        np.testing.assert_array_equal(read_image(path), images[1, 1], err_msg=path.name)
    assert len(list((tmp_path / "kept").iterdir())) == 3


def ome_xml(pages):
    """Of 3 planes in 2 channels; ``pages`` are the plane and channel of each."""
    data = "".join(
        f'<TiffData FirstZ="{z}" FirstC="{channel}" IFD="{number}" PlaneCount="1"/>'
        for number, (z, channel) in enumerate(pages)
    )
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="40" '
        'SizeY="30" SizeC="2" SizeZ="3" SizeT="1"><Channel ID="a"/><Channel ID="b"/>'
        f"{data}</Pixels></Image></OME>"
    )


def test_instances_share_nothing(module):
    want_two_images(module)

    assert len(instantiate_module("MeasureImageFocusQuality").image_groups) == 1
