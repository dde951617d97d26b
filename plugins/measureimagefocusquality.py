"""Rate the focus of images patch by patch: a CellProfiler module."""

import functools
import inspect
import logging
import sys
from pathlib import Path

import numpy
from cellprofiler_core.constants.measurement import (
    C_COUNT,
    C_LOCATION,
    C_NUMBER,
    COLTYPE_FLOAT,
    COLTYPE_INTEGER,
    COLTYPE_VARCHAR_FILE_NAME,
    COLTYPE_VARCHAR_FORMAT,
    EXPERIMENT,
    FTR_CENTER_X,
    FTR_CENTER_Y,
    FTR_OBJECT_NUMBER,
    GROUP_NUMBER,
    IMAGE,
    MCA_AVAILABLE_POST_GROUP,
)
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import (
    Binary,
    Divider,
    HiddenCount,
    HTMLText,
    SettingsGroup,
    ValidationError,
)
from cellprofiler_core.setting.do_something import DoSomething, RemoveSettingButton
from cellprofiler_core.setting.subscriber import ImageSubscriber, LabelListSubscriber
from cellprofiler_core.setting.text import ImageName, LabelName, Text
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements_ijv,
    get_object_measurement_columns,
)

# In a clone and in an unpacked release the packages lie beside the folder of this file, on no path
# yet: they come before others of their names.
HOME = Path(__file__).resolve().parent.parent
if (HOME / "micrograph_networks").is_dir():
    sys.path[:] = [str(HOME), *(folder for folder in sys.path if folder != str(HOME))]
VERSION = "0.2.0"
"""Of the packages that this file belongs to."""
try:
    from micrograph_networks import __version__

    if __version__ != VERSION:
        raise ImportError(f"micrograph_networks is of version {__version__}")

    from focusqual import FocusOptions, measure_focus
    from focusqual.inference.display import (
        STATISTICS,
        arrange,
        draw_distribution,
        draw_legend,
        seen_patch,
        statistics,
    )
    from focusqual.inference.maps import mean_within, patch_map, patch_pixels
    from focusqual.inference.options import OBJECTIVE
    from focusqual.inference.patches import PATCH_SIZE
    from focusqual.inference.picture import annotate
    from focusqual.inference.stacks import rank_planes
    from focusqual.levels import LEVELS
    from micrograph_networks.cellprofiler.network_module import (
        SMOOTH,
        NetworkModule,
        free_earlier_image_sets,
        input_mask,
        keep_above,
        refuse_repeats,
        show_under_mouse,
        shown_errors,
    )
    from micrograph_networks.engines import EngineOptions
    from micrograph_networks.errors import UserError
except Exception as error:
    LEVELS = 0
    # Each plugin has all of this itself: there may be nothing that they could share it from.
    INCOMPLETE = (
        f"{Path(__file__).resolve()} of version {VERSION} does not find all that belongs to it "
        f"({error}): let CellProfiler's plugins directory be the plugins folder of a release that "
        "was unzipped as a whole, and start CellProfiler again."
    )
    logging.exception(INCOMPLETE)

    class NetworkModule(Module):
        """Stands for the module in CellProfiler's list, keeps its settings and says what to do."""

        # CellProfiler 5 takes the first module that a file defines for the plugin.
        __module__ = Module.__module__

        def __init_subclass__(cls):
            for name, value in list(vars(cls).items()):
                if inspect.isfunction(value):
                    delattr(cls, name)

        def create_settings(self):
            self.explanation = HTMLText("", INCOMPLETE, size=(20, 5))
            self.kept = []

        def settings(self):
            return self.kept

        def visible_settings(self):
            return [self.explanation]

        def upgrade_settings(self, setting_values, variable_revision_number, module_name):
            self.variable_revision_number = variable_revision_number
            return setting_values, variable_revision_number

        def prepare_settings(self, setting_values):
            self.kept = [Text("", value) for value in setting_values]

        def validate_module(self, pipeline):
            raise ValidationError(INCOMPLETE, self.explanation)

        def prepare_run(self, workspace):
            raise ValueError(INCOMPLETE)

        run = prepare_run


__doc__ = """\
MeasureImageFocusQuality
========================

**MeasureImageFocusQuality** rates how far images are out of focus, patch by patch, with a trained
neural network.

The image is cut into patches of 84 x 84 pixels. For each patch the network gives the probabilities
of 11 *focus levels*, from 0, in focus, to 10, far out of focus. The levels are absolute: an image
is not compared with others of its set, and the result does not depend on its brightness, its
camera offset or its bit depth. One level stands for 2 micrometers of defocus at 20x (numerical
aperture 0.5, 500 nm, in air, pixels of 0.65 micrometers), which spreads a point over about
3 pixels more. To have levels of another objective, choose *objective* for *How to rescale images*.

The network was trained on fluorescence images. Measure the images as they were acquired, before
illumination correction, smoothing or rescaling.

|

============ ============ ===============
Supports 2D? Supports 3D? Respects masks?
============ ============ ===============
YES          NO           YES
============ ============ ===============

Patches of which more than half lies outside of the mask do not count. Pixels that are NaN or
infinite are treated as masked. Color images are brought to gray by the weights of luma (0.299 red,
0.587 green, 0.114 blue). To rate a stack, load its planes as separate images.

How to read the result
^^^^^^^^^^^^^^^^^^^^^^

-  A *Score* of 0 or 1 is in focus for most uses. At higher scores, details that are smaller than
   about 3 pixels times the score are lost.
-  Read the score together with its *Certainty*, from 0 to 1. Without anything to see in the image,
   all levels are equally probable, the certainty is near 0 and the score means nothing.
-  An image of which one part only is blurred has a high *FractionInFocus* and a high
   *FractionOutOfFocus*; the focus level image shows where.

To sort out blurred images, follow this module with **FlagImage**: flag images whose
*ImageFocus_Score* is above a maximum and, if empty images are to be flagged as well, whose
*ImageFocus_Certainty* is below a minimum.

In the picture that the module displays, each patch has a border whose hue is its level, from blue,
in focus, to red, and whose lightness is its certainty: dark borders surround patches that show
nothing. Where patches overlap, the more certain one is on top. Rest the mouse on a patch, and the
status bar says its level and certainty. Bars show the probabilities of the levels for the whole
image. The table says how many patches count, if a mask leaves some out.

The network is loaded as soon as the module is selected in CellProfiler's window, while you are
still choosing; in TensorFlow this takes some seconds. If you step before it is loaded, the window
waits for it.

To find the plane in focus of stacks, load the planes as separate images, group them by stack with
**Groups**, and answer *Yes* to *Rank the images of each group?*.

See also
^^^^^^^^

See also **Groups**, **FlagImage**, **MeasureImageQuality**, **MaskImage**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

All are of the category *ImageFocus* and end with the name of the image. All but *Model* and
*Engine* are numbers, and NaN where no patch counts.

**Image measurements**

-  *Score:* The level of the whole image, 0 to 10: the median of its probabilities, which are those
   of its patches, averaged with the patches' certainties as weights.
-  *ExpectedLevel:* The mean of the probabilities of the image, 0 to 10; finer than the score.
-  *Certainty:* How narrow the probabilities of the image are: 1 for a single level, 0 if all levels
   are equally probable (1 - entropy / ln 11).
-  *CertaintyMean, CertaintyMax, CertaintyWeighted:* Mean, maximum, and mean weighted by itself, of
   the certainties of the patches.
-  *Probability0* to *Probability10:* The probabilities of the image.
-  *FractionInFocus, FractionOutOfFocus, FractionUncertain:* Fractions of the patches, which sum
   to 1. The settings define when a patch is out of focus and when it is uncertain.
-  *PatchCount:* The number of patches that count.
-  *ExpectedDefocus* (if images are rescaled by the objective): The expected level in micrometers,
   to either side of the focus: the expected level times the depth of a level, which is 2 x 2 x 0.5
   / 0.65 pixels of blur, brought back to the specimen by pixel size, factor, and refractive index /
   (2 NA), and with the objective's own factor one depth of field, wavelength x refractive index /
   NA\\ :sup:`2`. It ends with the levels, at ten times that depth, and is a paraxial estimate:
   above an aperture of about 0.7 times the refractive index it is too large.
-  *BestInGroup, RankInGroup* (if the planes of each group are ranked): 1 for the image of its group
   that is most in focus, 0 for the others; and its place among them, from 1 on.
-  *Engine:* What computed the network, numpy or tensorflow.

**Experiment measurements**

-  *Model:* The name and version of the model, or the path of its weights file.

**Measurements of the patches** (if objects are created for them)

-  *Level:* The most probable level of the patch.
-  *ExpectedLevel, Certainty, Probability0* to *Probability10:* As above, for the patch alone.

**Measurements of objects** (if focus is measured within objects)

-  *MeanLevel, MeanCertainty:* The mean expected level and certainty of the patches that cover the
   object, averaged over its pixels.

References
^^^^^^^^^^

-  Yang SJ, Berndl M, Ando DM, Barch M, Narayanaswamy A, Christiansen E, Hoyer S, Roat C, Hung J,
   Rueden CT, Shankar A, Finkbeiner S, Nelson P (2018) "Assessing microscope image focus quality
   with deep learning" *BMC Bioinformatics* 19:77.
   `(link) <https://doi.org/10.1186/s12859-018-2087-4>`__

The levels, the certainty and the picture follow this article; the network and its weights are new.
Please cite the article, and CellProfiler, if you publish results of this module.
"""

C_IMAGE_FOCUS = "ImageFocus"

PROBABILITIES = {f"Probability{level}": f"p{level}" for level in range(LEVELS)}

F_PATCH_COUNT = "PatchCount"
F_MODEL = "Model"
F_ENGINE = "Engine"
F_DEFOCUS = "ExpectedDefocus"
F_BEST = "BestInGroup"
F_RANK = "RankInGroup"

# Features of an image, and their names in FocusMeasurement.summary.
IMAGE_FEATURES = {
    "Score": "score",
    "ExpectedLevel": "expected_level",
    "Certainty": "certainty",
    "CertaintyMean": "certainty_mean",
    "CertaintyMax": "certainty_max",
    "CertaintyWeighted": "certainty_weighted",
    F_PATCH_COUNT: "patches",
    "FractionInFocus": "in_focus",
    "FractionOutOfFocus": "out_of_focus",
    "FractionUncertain": "uncertain",
    **PROBABILITIES,
}
# Features of a patch, and their names in FocusMeasurement.patch_table.
PATCH_FEATURES = {
    "Level": "level",
    "ExpectedLevel": "expected_level",
    "Certainty": "certainty",
    **PROBABILITIES,
}
COLUMN_TYPES = {
    F_PATCH_COUNT: COLTYPE_INTEGER,
    F_BEST: COLTYPE_INTEGER,
    F_RANK: COLTYPE_INTEGER,
    F_MODEL: COLTYPE_VARCHAR_FILE_NAME,
    F_ENGINE: COLTYPE_VARCHAR_FORMAT % 32,
}
GROUP_FEATURES = (F_BEST, F_RANK)
OBJECT_FEATURES = ("MeanLevel", "MeanCertainty")
TABLE_HEADER, TABLE_ROW = 0.1, 0.055
"""Heights in the figure's table, as shares of a figure in its first size."""


class MeasureImageFocusQuality(NetworkModule):  # noqa: D101 - CellProfiler shows __doc__ above instead
    module_name = "MeasureImageFocusQuality"
    category = "Measurement"
    variable_revision_number = 1
    # For the citation generator of CellProfiler 5.
    doi = {
        "Please cite the following when using MeasureImageFocusQuality:": (
            "https://doi.org/10.1186/s12859-018-2087-4"
        )
    }

    def create_settings(self):
        self.image_groups = []
        self.image_count = HiddenCount(self.image_groups, "Image count")
        self.add_image(can_remove=False)
        self.add_image_button = DoSomething("", "Add another image", self.add_image)
        self.divider = Divider()
        self._create_object_settings()
        self.wants_ranks = Binary(
            "Rank the images of each group?",
            False,
            doc="""\
Select *Yes* to measure, at the end of each group of images, which one is most in focus, and the
rank of all: 1 is the best. Use **Groups** to make a group of each stack; without it all images are
one group. Ranks follow the expected level. That of an image that shows next to nothing is drawn to
the mean of its group, halfway at a certainty of 0.05: a blank image is neither best nor worst.

The ranks come after the last image of a group, too late for modules that act on each image, such
as **FlagImage** in the same pipeline. Export them, and let a second pipeline load the exported
table with **LoadData**: there **FlagImage** skips images whose *RankInGroup* is above 1. The
example pipelines *focus_rank_planes* and *focus_best_planes* do so.
""",
        )
        self.create_model_settings(
            trained_on="fluorescence images",
            custom="in-focus images of your assay. Consider it if your images look unlike "
            "fluorescently stained cells.",
        )
        self.engine_options = self.create_option_settings(EngineOptions)
        self.focus_options = self.create_option_settings(FocusOptions)

    def _create_object_settings(self):
        self.wants_objects = Binary(
            "Measure focus within objects?",
            False,
            doc="""\
Select *Yes* to measure the mean focus level and certainty of each object that was identified by
prior modules. The network sees patches, not objects: objects within the same patch get the same
values unless the patches overlap. Choose a patch stride of 21 or 42 pixels to follow smaller
objects.
""",
        )
        self.objects_list = LabelListSubscriber(
            "Select objects to measure",
            [],
            doc="""\
*(Used only if focus is measured within objects)*

Select the objects whose focus you want to measure, in each of the images above.
""",
        )

    def add_image(self, can_remove=True):
        """Add the settings of one image to measure.

        Parameters
        ----------
        can_remove : bool
            False for the first image, which has no button to remove it.
        """
        # Names of outputs differ from image to image.
        suffix = len(self.image_groups) + 1 if self.image_groups else ""
        group = SettingsGroup()
        group.can_remove = can_remove
        if can_remove:
            group.append("divider", Divider())
        group.append(
            "image_name",
            ImageSubscriber(
                "Select the image to measure",
                doc="Select an image, gray or color, whose focus you want to measure.",
            ),
        )
        _append_patch_settings(group, suffix)
        _append_map_settings(group, suffix)
        _append_annotated_settings(group, suffix)
        if can_remove:
            group.append(
                "remover",
                RemoveSettingButton("", "Remove this image", self.image_groups, group),
            )
        self.image_groups.append(group)

    def settings(self):
        result = [self.image_count]
        for group in self.image_groups:
            result += group.pipeline_settings()
        return result + self._shared_settings()

    def _shared_settings(self):
        """All but the settings of an image, in the order in which they are saved."""
        # Options come last: old pipelines lack those that were added since.
        return [
            self.wants_objects,
            self.objects_list,
            self.wants_ranks,
            *self.model_settings(),
            *self.engine_options.all(),
            *self.focus_options.all(),
        ]

    def prepare_settings(self, setting_values):
        given = setting_values[0]
        if not (given.isdecimal() and 0 < int(given) <= len(setting_values)):
            raise ValueError(f"{self.module_name} cannot measure '{given[:20]}' images")
        count = int(given)
        del self.image_groups[count:]
        while len(self.image_groups) < count:
            self.add_image()

    def help_settings(self):
        return self.image_groups[0].pipeline_settings() + self._shared_settings()

    def visible_settings(self):
        result = []
        for group in self.image_groups:
            if group.can_remove:
                result.append(group.divider)
            result.append(group.image_name)
            for wanted, name in _optional_outputs(group):
                result += [wanted, name] if wanted.value else [wanted]
            if group.can_remove:
                result.append(group.remover)
        result += [self.add_image_button, self.divider, *self.visible_model_settings()]
        result += self.engine_options.visible() + self.focus_options.visible()
        result.append(self.wants_objects)
        if self.wants_objects.value:
            result.append(self.objects_list)
        return [*result, self.wants_ranks]

    def validate_module(self, pipeline):
        refuse_repeats([group.image_name for group in self.image_groups])
        names = [
            name
            for group in self.image_groups
            for wanted, name in _optional_outputs(group)
            if wanted.value
        ]
        refuse_repeats(names)
        if self.wants_objects.value and not self.objects_list.value:
            raise ValidationError("No objects selected", self.objects_list)
        self.validate_weights_file()
        try:
            self.focus_options.options()
        except UserError as error:
            raise ValidationError(str(error), self.numerical_aperture) from error

    def validate_module_warnings(self, pipeline):
        super().validate_module_warnings(pipeline)
        stride = self.stride.value
        if self._patch_objects() and stride < PATCH_SIZE:
            raise ValidationError(
                f"At a stride of {stride} every pixel belongs to {(PATCH_SIZE / stride) ** 2:.0f} "
                "patch objects: CellProfiler's displays and measurements of them take as many "
                f"times as long as at {PATCH_SIZE}. The focus level image is as fine, and quick.",
                self.stride,
            )

    def prepare_run(self, workspace):
        for group in self.image_groups:
            workspace.measurements.add_experiment_measurement(
                _measurement_name(F_MODEL, group.image_name.value), self.chosen_model()
            )
        return True

    def run(self, workspace):
        shown = []
        for group in self.image_groups:
            name = group.image_name.value
            image = workspace.image_set.get_image(name)
            measurement = self._rate(workspace, name, image)
            self._measure_image(workspace, group, measurement)
            self._measure_objects(workspace, group, image, measurement)
            if group.wants_patches.value:
                self._make_patches(workspace, group, image, measurement)
            self._make_maps(workspace, group, image, measurement)
            if group.wants_annotated_image.value or self.show_window:
                picture = annotate(image.pixel_data, measurement)
            if group.wants_annotated_image.value:
                annotated = Image(picture, parent_image=image)
                workspace.image_set.add(group.annotated_image_name.value, annotated)
            if self.show_window:
                shown.append(_for_display(name, picture, measurement))
        if self.show_window:
            workspace.display_data.images = shown
        free_earlier_image_sets()

    def post_group(self, workspace, grouping):
        if self.wants_ranks.value:
            for group in self.image_groups:
                _rank_group(workspace.measurements, group.image_name.value)

    def display(self, workspace, figure):
        images = workspace.display_data.images
        count = len(images)
        figure.set_subplots((count, 1))
        table_height = TABLE_HEADER + TABLE_ROW * count
        keep_above(figure.figure, table_height)
        panels = arrange(figure.figure, count)
        draw_legend(panels.legend)
        for col, image in enumerate(images):
            # CellProfiler draws into the axes that it finds here.
            figure.subplots[col, 0] = panels.pictures[col]
            figure.subplot_imshow_color(
                col, 0, image["picture"], title=image["name"], interpolation=SMOOTH
            )
            draw_distribution(panels.distributions[col], image["probabilities"], count == 1)
            under_mouse = functools.partial(_patch_fields, image)
            show_under_mouse(figure, panels.pictures[col], under_mouse)
        figure.subplot_table(
            *(0, 1 - table_height),
            [[image["name"], *image["statistics"]] for image in images],
            col_labels=["", *STATISTICS],
            n_cols=count,
            n_rows=table_height,
        )

    def get_measurement_columns(self, pipeline):
        columns = [
            (
                object_name,
                _measurement_name(feature, image_name),
                COLUMN_TYPES.get(feature, COLTYPE_FLOAT),
                *([{MCA_AVAILABLE_POST_GROUP: True}] if feature in GROUP_FEATURES else []),
            )
            for object_name, feature, image_name in self._features()
        ]
        for name in self._patch_objects():
            columns += get_object_measurement_columns(name)
        return columns

    def get_categories(self, pipeline, object_name):
        categories = []
        if any(measured == object_name for measured, _, _ in self._features()):
            categories.append(C_IMAGE_FOCUS)
        if object_name == IMAGE and self._patch_objects():
            categories.append(C_COUNT)
        if object_name in self._patch_objects():
            categories += [C_LOCATION, C_NUMBER]
        return categories

    def get_measurements(self, pipeline, object_name, category):
        if category == C_IMAGE_FOCUS:
            # A dictionary keeps the order and drops what several images have in common.
            return list(dict.fromkeys(f for o, f, _ in self._features() if o == object_name))
        if category == C_COUNT and object_name == IMAGE:
            return self._patch_objects()
        if category == C_LOCATION and object_name in self._patch_objects():
            return [FTR_CENTER_X, FTR_CENTER_Y]
        if category == C_NUMBER and object_name in self._patch_objects():
            return [FTR_OBJECT_NUMBER]
        return []

    def get_measurement_images(self, pipeline, object_name, category, measurement):
        if category != C_IMAGE_FOCUS:
            return []
        return [i for o, f, i in self._features() if (o, f) == (object_name, measurement)]

    def _features(self):
        """Object, feature and image of everything measured under the category ImageFocus."""
        for group in self.image_groups:
            measured = {EXPERIMENT: [F_MODEL], IMAGE: [*self._image_features(), F_ENGINE]}
            if self.wants_ranks.value:
                measured[IMAGE] += GROUP_FEATURES
            if group.wants_patches.value:
                measured[group.patches_name.value] = PATCH_FEATURES
            if self.wants_objects.value:
                measured.update(dict.fromkeys(self.objects_list.value, OBJECT_FEATURES))
            for object_name, features in measured.items():
                for feature in features:
                    yield object_name, feature, group.image_name.value

    def _image_features(self):
        """Features of an image that are measured now, and their names in FocusMeasurement.summary."""
        if self.rescaling.value != OBJECTIVE:
            return IMAGE_FEATURES
        return {**IMAGE_FEATURES, F_DEFOCUS: "expected_defocus_um"}

    def _patch_objects(self):
        return [g.patches_name.value for g in self.image_groups if g.wants_patches.value]

    def _rate(self, workspace, image_name, image):
        with shown_errors():
            model = self.loaded_model(workspace)
        workspace.measurements.add_image_measurement(
            _measurement_name(F_ENGINE, image_name), model.engine
        )
        with shown_errors(image_name):
            return measure_focus(
                image.pixel_data, model, input_mask(image), self.focus_options.options()
            )

    def _measure_image(self, workspace, group, measurement):
        for feature, key in self._image_features().items():
            workspace.measurements.add_image_measurement(
                _measurement_name(feature, group.image_name.value), measurement.summary[key]
            )

    def _measure_objects(self, workspace, group, image, measurement):
        if not self.wants_objects.value:
            return
        maps = [
            _map(v, measurement, image) for v in (measurement.expected_level, measurement.certainty)
        ]
        for object_name in self.objects_list.value:
            objects = workspace.object_set.get_objects(object_name)
            for feature, pixels in zip(OBJECT_FEATURES, maps):
                workspace.measurements.add_measurement(
                    object_name,
                    _measurement_name(feature, group.image_name.value),
                    mean_within(pixels, objects.ijv, objects.count),
                )

    def _make_maps(self, workspace, group, image, measurement):
        if group.wants_level_image.value:
            pixels = _map(measurement.expected_level / (LEVELS - 1), measurement, image)
            workspace.image_set.add(group.level_image_name.value, _masked_image(pixels, image))
        if group.wants_certainty_image.value:
            pixels = _map(measurement.certainty, measurement, image)
            workspace.image_set.add(group.certainty_image_name.value, _masked_image(pixels, image))

    def _make_patches(self, workspace, group, image, measurement):
        name = group.patches_name.value
        pixels = patch_pixels(measurement)
        objects = Objects()
        # In this form, unlike in a label matrix, objects may overlap.
        objects.set_ijv(pixels, shape=image.pixel_data.shape[:2])
        objects.parent_image = image
        workspace.object_set.add_objects(objects, name)
        measurements = workspace.measurements
        add_object_count_measurements(measurements, name, measurement.counted.size)
        add_object_location_measurements_ijv(measurements, name, pixels, measurement.counted.size)
        table = measurement.patch_table()
        for feature, column in PATCH_FEATURES.items():
            measurements.add_measurement(
                name, _measurement_name(feature, group.image_name.value), table[column]
            )


def _rank_group(measurements, image_name):
    """Measure which image of the group at work is the best, and the rank of each."""
    group = measurements.get_group_number()
    numbers = [
        number
        for number in measurements.get_image_numbers()
        if measurements[IMAGE, GROUP_NUMBER, number] == group
    ]
    # Image sets that were skipped or failed have no measurement.
    level, certainty = (
        [numpy.nan if value is None else value for value in values]
        for values in (
            measurements[IMAGE, _measurement_name(feature, image_name), numbers]
            for feature in ("ExpectedLevel", "Certainty")
        )
    )
    for number, rank in zip(numbers, rank_planes(level, certainty)):
        for feature, value in ((F_RANK, int(rank)), (F_BEST, int(rank == 1))):
            measurements.add_measurement(
                IMAGE, _measurement_name(feature, image_name), value, image_set_number=number
            )


def _for_display(name, picture, measurement):
    """What the figure shows of an image, in types that reach it from another process."""
    counted = measurement.counted
    return {
        "name": name,
        "picture": picture,
        "probabilities": measurement.aggregate,
        "statistics": statistics(measurement),
        "boxes": measurement.boxes[counted],
        "levels": measurement.level[counted],
        "certainties": measurement.certainty[counted],
    }


def _patch_fields(image, x, y):
    """What the status bar says of the patch at a point."""
    patch = seen_patch(image["boxes"], image["certainties"], x, y)
    if patch is None:
        return ["No patch counts here"]
    return [f"Level: {image['levels'][patch]}", f"Certainty: {image['certainties'][patch]:.2f}"]


def _map(values, measurement, image):
    """Values of patches as a map, NaN where no patch counts or the image is masked."""
    return patch_map(values, measurement, image.pixel_data.shape[:2], input_mask(image))


def _append_patch_settings(group, suffix):
    group.append(
        "wants_patches",
        Binary(
            "Create objects for the patches?",
            False,
            doc="""\
Select *Yes* to make an object of each patch, so that its level, certainty, probabilities and
location become a row of its own in the exported tables.

Patches that do not count because of a mask have a row, too, with NaN instead of values. Patches
overlap in the last row and column and if the stride is below the width of a patch. For a dense map
of the focus keep the focus level image instead: objects that overlap a lot take much memory.
""",
        ),
    )
    group.append(
        "patches_name",
        LabelName(
            "Name the patch objects",
            f"FocusPatches{suffix}",
            doc="*(Used only if objects are created for the patches)*\n\nEnter a name for them.",
        ),
    )


def _append_map_settings(group, suffix):
    group.append(
        "wants_level_image",
        Binary(
            "Keep the focus level image?",
            False,
            doc=f"""\
Select *Yes* to keep an image whose intensity is the expected focus level divided by {LEVELS - 1}:
0 is in focus, 1 is level {LEVELS - 1}. Where patches overlap, it is their mean. Pixels that are
covered by no patch that counts are masked.
""",
        ),
    )
    group.append(
        "level_image_name",
        ImageName(
            "Name the focus level image",
            f"FocusLevel{suffix}",
            doc="*(Used only if the focus level image is kept)*\n\nEnter a name for it.",
        ),
    )
    group.append(
        "wants_certainty_image",
        Binary(
            "Keep the certainty image?",
            False,
            doc="""\
Select *Yes* to keep an image whose intensity is the certainty of the patches, 0 to 1. Where patches
overlap, it is their mean. Pixels that are covered by no patch that counts are masked.
""",
        ),
    )
    group.append(
        "certainty_image_name",
        ImageName(
            "Name the certainty image",
            f"FocusCertainty{suffix}",
            doc="*(Used only if the certainty image is kept)*\n\nEnter a name for it.",
        ),
    )


def _append_annotated_settings(group, suffix):
    group.append(
        "wants_annotated_image",
        Binary(
            "Keep the annotated image?",
            False,
            doc="""\
Select *Yes* to keep the picture that the module displays as a color image: the image, stretched in
contrast, with a border around each patch whose hue is the level, from blue, in focus, to red, and
whose lightness is the certainty. Use **SaveImages** to save it.
""",
        ),
    )
    group.append(
        "annotated_image_name",
        ImageName(
            "Name the annotated image",
            f"FocusAnnotated{suffix}",
            doc="*(Used only if the annotated image is kept)*\n\nEnter a name for it.",
        ),
    )


def _optional_outputs(group):
    """Pairs of the switch and the name of what may be made of an image."""
    return (
        (group.wants_patches, group.patches_name),
        (group.wants_level_image, group.level_image_name),
        (group.wants_certainty_image, group.certainty_image_name),
        (group.wants_annotated_image, group.annotated_image_name),
    )


def _measurement_name(feature, image_name):
    return f"{C_IMAGE_FOCUS}_{feature}_{image_name}"


def _masked_image(pixels, image):
    known = numpy.isfinite(pixels)
    return Image(numpy.nan_to_num(pixels), mask=known, parent_image=image)
