"""Rate the focus of images patch by patch: a CellProfiler module."""

import importlib.util
import sys
from pathlib import Path

import numpy
from cellprofiler_core.constants.measurement import (
    C_COUNT,
    C_LOCATION,
    C_NUMBER,
    COLTYPE_FLOAT,
    COLTYPE_INTEGER,
    FTR_CENTER_X,
    FTR_CENTER_Y,
    FTR_OBJECT_NUMBER,
    IMAGE,
)
from cellprofiler_core.image import Image
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import (
    Binary,
    Divider,
    HiddenCount,
    SettingsGroup,
    ValidationError,
)
from cellprofiler_core.setting.do_something import DoSomething, RemoveSettingButton
from cellprofiler_core.setting.subscriber import ImageSubscriber, LabelListSubscriber
from cellprofiler_core.setting.text import Float, ImageName, Integer, LabelName
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements_ijv,
    get_object_measurement_columns,
)

if importlib.util.find_spec("focusqual") is None:
    # The user has only pointed CellProfiler at this folder of a clone.
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from focusqual import LEVELS, PATCH_SIZE, RatingOptions, rate_focus
from focusqual.inference.maps import mean_within, patch_map
from focusqual.inference.picture import annotate, draw_legend
from micrograph_networks.cellprofiler.network_module import (
    NetworkModule,
    free_earlier_image_sets,
    input_mask,
    refuse_repeats,
    shown_errors,
)

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
3 pixels more.

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
nothing. Where patches overlap, the more certain one is on top.

See also
^^^^^^^^

See also **FlagImage**, **MeasureImageQuality**, **MaskImage**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

All are of the category *ImageFocus* and end with the name of the image. They are numbers, and NaN
where no patch counts.

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

# Features of an image, and their names in FocusRating.summary.
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
PATCH_FEATURES = ("Level", "ExpectedLevel", "Certainty", *PROBABILITIES)
# More rows than these do not fit into the figure.
DISPLAYED_FEATURES = [feature for feature in IMAGE_FEATURES if feature not in PROBABILITIES]
OBJECT_FEATURES = ("MeanLevel", "MeanCertainty")


class MeasureImageFocusQuality(NetworkModule):  # noqa: D101 - CellProfiler shows __doc__ above instead
    module_name = "MeasureImageFocusQuality"
    category = "Measurement"
    variable_revision_number = 1

    def create_settings(self):
        self.image_groups = []
        self.image_count = HiddenCount(self.image_groups, "Image count")
        self.add_image(can_remove=False)
        self.add_image_button = DoSomething("", "Add another image", self.add_image)
        self.divider = Divider()
        self.create_model_settings(
            "focusqual",
            "focus.h5",
            shipped="fluorescence images",
            custom="in-focus images of your assay. Consider it if your images look unlike "
            "fluorescently stained cells.",
        )
        self._create_rating_settings()
        self._create_object_settings()

    def _create_rating_settings(self):
        defaults = RatingOptions()
        self.stride = Integer(
            "Patch stride",
            value=defaults.stride,
            minval=1,
            maxval=PATCH_SIZE,
            doc=f"""\
The distance from one patch to the next, in pixels, 1 to {PATCH_SIZE}. With {PATCH_SIZE}, the width
of a patch, patches lie side by side. Smaller values let them overlap and give finer maps of the
focus, but half the stride takes four times as long. The last row and column of patches are moved
inwards where the image is no multiple of the stride, so that no pixel is left out.
""",
        )
        self.scale = Float(
            "Rescaling factor",
            value=defaults.scale,
            minval=0.01,
            maxval=100,
            doc="""\
The image is resized by this factor before it is cut into patches; all results are in pixels of the
original image.

The focus levels are defined for pixels of 0.65 micrometers, a usual 20x objective without binning.
To get the same levels from images of another magnification, enter their pixel size in micrometers
divided by 0.65, such as 0.5 for 40x with pixels of 0.325 micrometers. With 1, a level stands for
about 3 pixels of blur in the image as it is, whatever its magnification; this is the right choice
if you care for the finest detail that the image could resolve.

Factors above 1 invent no detail: an image that was taken at 10x, enlarged by 2, looks blurred to
the network. Leave the factor at 1 for lower magnifications.
""",
        )
        self.uncertain_below = Float(
            "Certainty below which a patch is uncertain",
            value=defaults.uncertain_below,
            minval=0,
            maxval=1,
            doc="""\
Patches of a lower certainty count in *FractionUncertain*, and neither as in focus nor as out of
focus. Patches without cells usually belong here. This setting changes the fractions only, not the
score.
""",
        )
        self.out_of_focus_from = Integer(
            "Level from which a patch is out of focus",
            value=defaults.out_of_focus_from,
            minval=1,
            maxval=LEVELS - 1,
            doc="""\
Certain patches of this most probable level or a higher one count in *FractionOutOfFocus*, the
others in *FractionInFocus*. This setting changes the fractions only, not the score.
""",
        )

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
        result = [self.image_count, *self._shared_settings()]
        for group in self.image_groups:
            result += group.pipeline_settings()
        return result

    def _shared_settings(self):
        """All but the settings of an image, in the order in which they are saved."""
        return [
            *self.model_settings(),
            self.stride,
            self.scale,
            self.uncertain_below,
            self.out_of_focus_from,
            self.wants_objects,
            self.objects_list,
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
        result += [self.stride, self.scale, self.uncertain_below, self.out_of_focus_from]
        result.append(self.wants_objects)
        if self.wants_objects.value:
            result.append(self.objects_list)
        return result

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
        self.validate_weights()

    def upgrade_settings(self, setting_values, variable_revision_number, module_name):
        # Revision 1 is the first: there is nothing to upgrade yet.
        return setting_values, variable_revision_number

    def run(self, workspace):
        pictures = []
        columns = []
        for group in self.image_groups:
            image = workspace.image_set.get_image(group.image_name.value)
            rating = self._rate(group.image_name.value, image)
            self._measure_image(workspace, group, rating)
            self._measure_objects(workspace, group, image, rating)
            if group.wants_patches.value:
                self._make_patches(workspace, group, image, rating)
            self._make_maps(workspace, group, image, rating)
            if group.wants_annotated_image.value or self.show_window:
                pictures.append(annotate(image.pixel_data, rating))
            if group.wants_annotated_image.value:
                annotated = Image(pictures[-1], parent_image=image)
                workspace.image_set.add(group.annotated_image_name.value, annotated)
            columns.append(
                [f"{rating.summary[IMAGE_FEATURES[name]]:.4g}" for name in DISPLAYED_FEATURES]
            )
        if self.show_window:
            workspace.display_data.image_names = [g.image_name.value for g in self.image_groups]
            workspace.display_data.pictures = pictures
            workspace.display_data.statistics = list(zip(DISPLAYED_FEATURES, *columns))
        free_earlier_image_sets()

    def display(self, workspace, figure):
        names = workspace.display_data.image_names
        figure.set_subplots((1, len(names)))
        # CellProfiler's table is no part of matplotlib's layout: pictures keep to the left half.
        figure.figure.get_layout_engine().set(rect=(0, 0, 0.5, 1))
        for row, picture in enumerate(workspace.display_data.pictures):
            figure.subplot_imshow_color(
                0,
                row,
                picture,
                title=names[row],
                normalize=False,
                # CellProfiler's default, nearest, drops most of the thin borders.
                interpolation="antialiased",
                sharexy=figure.subplot(0, 0) if row else None,
            )
            draw_legend(figure.subplot(0, row))
        figure.subplot_table(
            0.5,
            0,
            workspace.display_data.statistics,
            col_labels=["", *names],
            n_cols=0.5,
            n_rows=len(names),
        )

    def get_measurement_columns(self, pipeline):
        columns = [
            (
                object_name,
                _measurement_name(feature, image_name),
                COLTYPE_INTEGER if feature == F_PATCH_COUNT else COLTYPE_FLOAT,
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
            measured = {IMAGE: IMAGE_FEATURES}
            if group.wants_patches.value:
                measured[group.patches_name.value] = PATCH_FEATURES
            if self.wants_objects.value:
                measured.update(dict.fromkeys(self.objects_list.value, OBJECT_FEATURES))
            for object_name, features in measured.items():
                for feature in features:
                    yield object_name, feature, group.image_name.value

    def _patch_objects(self):
        return [g.patches_name.value for g in self.image_groups if g.wants_patches.value]

    def _rate(self, image_name, image):
        options = RatingOptions(
            stride=self.stride.value,
            scale=self.scale.value,
            uncertain_below=self.uncertain_below.value,
            out_of_focus_from=self.out_of_focus_from.value,
        )
        with shown_errors(image_name):
            return rate_focus(image.pixel_data, input_mask(image), options, self.weights())

    def _measure_image(self, workspace, group, rating):
        for feature, key in IMAGE_FEATURES.items():
            workspace.measurements.add_image_measurement(
                _measurement_name(feature, group.image_name.value), rating.summary[key]
            )

    def _measure_objects(self, workspace, group, image, rating):
        if not self.wants_objects.value:
            return
        maps = [focus_map(v, rating, image) for v in (rating.expected_level, rating.certainty)]
        for object_name in self.objects_list.value:
            objects = workspace.object_set.get_objects(object_name)
            for feature, pixels in zip(OBJECT_FEATURES, maps):
                workspace.measurements.add_measurement(
                    object_name,
                    _measurement_name(feature, group.image_name.value),
                    mean_within(pixels, objects.ijv, objects.count),
                )

    def _make_maps(self, workspace, group, image, rating):
        if group.wants_level_image.value:
            pixels = focus_map(rating.expected_level / (LEVELS - 1), rating, image)
            workspace.image_set.add(group.level_image_name.value, _masked_image(pixels, image))
        if group.wants_certainty_image.value:
            pixels = focus_map(rating.certainty, rating, image)
            workspace.image_set.add(group.certainty_image_name.value, _masked_image(pixels, image))

    def _make_patches(self, workspace, group, image, rating):
        name = group.patches_name.value
        pixels = patch_pixels(rating.boxes.reshape(-1, 4))
        objects = Objects()
        # In this form, unlike in a label matrix, objects may overlap.
        objects.set_ijv(pixels, shape=image.pixel_data.shape[:2])
        objects.parent_image = image
        workspace.object_set.add_objects(objects, name)
        measurements = workspace.measurements
        add_object_count_measurements(measurements, name, rating.counted.size)
        add_object_location_measurements_ijv(measurements, name, pixels, rating.counted.size)
        for feature, values in patch_table(rating).items():
            measurements.add_measurement(
                name, _measurement_name(feature, group.image_name.value), values
            )


def patch_pixels(boxes):
    """List the pixels of patches as CellProfiler's objects want them.

    Parameters
    ----------
    boxes : ndarray of int, (n, 4)
        y, x, height and width.

    Returns
    -------
    ndarray of int32, (pixels, 3)
        Row, column and the number of the patch, from 1 on.
    """
    areas = boxes[:, 2] * boxes[:, 3]
    pixels = numpy.empty((areas.sum(), 3), dtype=numpy.int32)
    ends = areas.cumsum()
    for number, (end, (y, x, height, width)) in enumerate(zip(ends, boxes), start=1):
        patch = pixels[end - height * width : end]
        patch[:, 0] = numpy.repeat(numpy.arange(y, y + height), width)
        patch[:, 1] = numpy.tile(numpy.arange(x, x + width), height)
        patch[:, 2] = number
    return pixels


def patch_table(rating):
    """Measurements of the patches, row by row of their grid.

    Parameters
    ----------
    rating : FocusRating

    Returns
    -------
    dict of str to ndarray, (n,)
        For each of PATCH_FEATURES; NaN where the patch does not count.
    """
    columns = (
        rating.level,
        rating.expected_level,
        rating.certainty,
        *numpy.moveaxis(rating.probabilities, -1, 0),
    )
    return {
        feature: numpy.where(rating.counted, values, numpy.nan).ravel()
        for feature, values in zip(PATCH_FEATURES, columns)
    }


def focus_map(values, rating, image):
    """Values of patches as a map, NaN where no patch counts or the image is masked."""
    pixels = patch_map(values, rating, image.pixel_data.shape[:2])
    if image.has_mask:
        pixels[~image.mask] = numpy.nan
    return pixels


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
