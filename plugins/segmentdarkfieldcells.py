"""Find blood cells and spirochaetes in dark-field images: a CellProfiler module."""

import inspect
import logging
import math
import sys
from pathlib import Path

from cellprofiler_core.constants.measurement import (
    COLTYPE_FLOAT,
    COLTYPE_VARCHAR_FILE_NAME,
    COLTYPE_VARCHAR_FORMAT,
    EXPERIMENT,
    IMAGE,
)
from cellprofiler_core.image import Image
from cellprofiler_core.module import Identify, Module
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import Binary, HTMLText, SettingsGroup, ValidationError
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.setting.text import ImageName, LabelName, Text
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements,
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

    from micrograph_networks.cellprofiler.network_module import (
        SHIPPED_UNTIL_0_1,
        SMOOTH,
        NetworkModule,
        free_earlier_image_sets,
        input_mask,
        keep_inside,
        refuse_repeats,
        shown_errors,
    )
    from micrograph_networks.engines import AUTOMATIC, RoundingEngineOptions
    from segment import SegmentationOptions, segment_image
    from segment.classes import COLOURS
    from segment.inference.display import (
        STATISTICS,
        displayed_image,
        draw_legends,
        left_out,
        probability_picture,
        statistics,
    )
except Exception as error:
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
SegmentDarkfieldCells
=====================

**SegmentDarkfieldCells** identifies blood cells and, if asked, spirochaetes in dark-field
micrographs, with a trained neural network.

For each pixel the network gives the probabilities that it belongs to the background, to a blood
cell or to a spirochaete. The pixels that are probable enough become objects; cells that touch are
separated. Nothing has to be adjusted to the brightness of an image, but the network has to see the
cells at about the size that it was trained at: see *Working scale* below.

|

============ ============ ===============
Supports 2D? Supports 3D? Respects masks?
============ ============ ===============
YES          NO           YES
============ ============ ===============

Pixels outside of the mask are background. Color images are used as they are, without their alpha
channel; gray images as color images without color. To segment a stack, load its planes as separate
images.

How to read the result
^^^^^^^^^^^^^^^^^^^^^^

-  The *mean probability* of an object says how sure the network was of its pixels. Sort the
   objects by it to find doubtful ones, or use **FilterObjects** to remove them.
-  The module displays the image, and beside it the same with outlines. The primary, secondary and
   tertiary outline color of *File > Preferences* are in this order those of blood cells, of
   spirochaetes, if they are identified, and of what was left out at the border of the image or as
   too small. Below are the probabilities, each class in a color of its own, and a table of the
   number of objects, the area that they cover (per cent of the image, or of its mask), the median
   of their sizes (of cells the diameter of a circle of the same area, of threads the length, where
   it was measured) and the mean of their mean probabilities.
-  An image without cells gives zero objects, not an error.

Working scale
^^^^^^^^^^^^^

By default the longer side of the image is brought to the size of the images that the network was
trained on, on which a field of view held some 1 to 20 cells. In large fields with many small cells
they would become too small to be seen: enter the *typical diameter* of the blood cells, and the
image is brought to the scale at which cells have the size that the network knows. All results are
in pixels of the original image.

Limits
^^^^^^

-  The network was trained on dark-field images of blood of one collection. Look at the outlines
   before you trust it on images of another microscope, stain or species; train it on images of your
   own with *python -m segment train* if it fails.
-  Spirochaetes are one or two pixels thin at the working scale. Those that cross become one object,
   those that are interrupted become several, and pieces of a few pixels are left out; the area that
   they cover is more reliable than their number.
-  The shipped models come from images that may not be used commercially (see *References*).

Time
^^^^

The network is loaded, which takes some seconds, as soon as the module is selected in CellProfiler's
window, while you are still choosing. An image takes one to several seconds: CellProfiler's window
waits for it in test mode. *Analyze Images* computes several images at the same time.

See also
^^^^^^^^

See also **IdentifyPrimaryObjects**, **MeasureObjectSizeShape**, **FilterObjects**,
**ConvertObjectsToImage**, **MeasureImageOverlap**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

**Image measurements**

-  *Count:* The number of blood cells and, if identified, of spirochaetes.
-  *Darkfield_Engine:* What computed the network, numpy or tensorflow. It ends with the name of the
   blood cells.

**Experiment measurements**

-  *Darkfield_Model:* The name and version of the model, or the path of its weights file. It ends
   with the name of the blood cells.

**Object measurements**

-  *Location_Center_X, Location_Center_Y:* The center of mass of the object, in pixels.
-  *Number_Object_Number:* The number of the object in the label image.
-  *Darkfield_MeanProbability:* The mean, over the object's pixels, of the probability of its class,
   0 to 1.

References
^^^^^^^^^^

-  Ronneberger O, Fischer P, Brox T (2015) "U-Net: convolutional networks for biomedical image
   segmentation" *MICCAI 2015*, LNCS 9351, 234-241.
   `(link) <https://doi.org/10.1007/978-3-319-24574-4_28>`__
-  Simonyan K, Zisserman A (2014) "Very deep convolutional networks for large-scale image
   recognition" *arXiv*:1409.1556. `(link) <https://arxiv.org/abs/1409.1556>`__
-  Pollehn L (2020) "Bacteria detection with darkfield microscopy", data set, CC BY-NC 4.0.
   `(link) <https://www.kaggle.com/datasets/longnguyen2306/bacteria-detection-with-darkfield-microscopy>`__

Please cite the data set, and CellProfiler, if you publish results of this module.
"""

C_DARKFIELD = "Darkfield"
F_MEAN_PROBABILITY = "MeanProbability"
M_MEAN_PROBABILITY = f"{C_DARKFIELD}_{F_MEAN_PROBABILITY}"
F_MODEL = "Model"
F_ENGINE = "Engine"
LINE_WIDTH = 1.5
"""Of outlines in the figure, in points, whatever the size of the window."""
MOST_ENLARGED = 4
"""How many times as wide an image may become without a warning: 16 times the pixels."""


# D101: CellProfiler shows __doc__ above instead.
class SegmentDarkfieldCells(NetworkModule, Identify):  # noqa: D101
    module_name = "SegmentDarkfieldCells"
    category = "Object Processing"
    variable_revision_number = 2

    def create_settings(self):
        self.x_name = ImageSubscriber(
            "Select the input image",
            doc="Select the dark-field image, color or gray.",
        )
        self.cells = _class_settings("blood cells", "BloodCell")
        self.wants_spirochaetes = Binary(
            "Also identify spirochaetes?",
            False,
            doc="""\
Select *Yes* to make objects of the spirochaetes, thin bacteria between the cells, as well. Those
of the settings below that speak of cells to separate, to fill or to discard are for cells alone;
the model, what computes it, the diameter and the threshold act on both.
""",
        )
        self.spirochaetes = _class_settings("spirochaetes", "Spirochaete")
        self.create_model_settings(
            trained_on="dark-field images of blood",
            custom="images and masks of your own. It must know the class *blood cell*, and "
            "*spirochaete* if those are to be found.",
        )
        self.engine_options = self.create_option_settings(RoundingEngineOptions)
        self.segmentation_options = self.create_option_settings(SegmentationOptions)

    def settings(self):
        return [
            self.x_name,
            *self.cells.pipeline_settings(),
            self.wants_spirochaetes,
            *self.spirochaetes.pipeline_settings(),
            *self.model_settings(),
            *self.engine_options.all(),
            # Last: old pipelines lack the options that were added since.
            *self.segmentation_options.all(),
        ]

    def visible_settings(self):
        result = [self.x_name, *_visible(self.cells), self.wants_spirochaetes]
        if self.wants_spirochaetes.value:
            result += _visible(self.spirochaetes)
        result += self.visible_model_settings()
        return result + self.engine_options.visible() + self.segmentation_options.visible()

    def validate_module(self, pipeline):
        groups = self._groups()
        refuse_repeats([group.objects_name for group in groups])
        refuse_repeats(
            [name for group in groups for wanted, name in _optional_images(group) if wanted.value]
        )
        self.validate_weights_file()

    def validate_module_warnings(self, pipeline):
        super().validate_module_warnings(pipeline)
        attributes, _ = self.described_model()
        diameter = self.segmentation_options.options().cell_diameter
        known = attributes.get("cell_diameter", 0)
        enlarged = known / (diameter or math.inf)
        if enlarged > MOST_ENLARGED:
            raise ValidationError(
                f"The network wants cells of {known:.0f} pixels: with a diameter of {diameter:g} "
                f"images become {enlarged:.0f} times as wide and high, and take long.",
                self.cell_diameter,
            )

    def upgrade_settings(self, setting_values, variable_revision_number, module_name):
        if variable_revision_number == 1:
            # Models have names, the engine is an option, and bfloat16 stands beside it.
            *values, bfloat16 = setting_values
            values[12] = "darkfield_v1" if values[12] == SHIPPED_UNTIL_0_1 else values[12]
            setting_values = [*values[:15], AUTOMATIC, bfloat16, *values[15:]]
            variable_revision_number = 2
        return setting_values, variable_revision_number

    def prepare_run(self, workspace):
        workspace.measurements.add_experiment_measurement(
            f"{C_DARKFIELD}_{self._feature_of_module(F_MODEL)}", self.chosen_model()
        )
        return True

    def is_object_identification_module(self):
        return True

    def run(self, workspace):
        name = self.x_name.value
        image = workspace.image_set.get_image(name)
        mask = input_mask(image)
        with shown_errors():
            model = self.loaded_model(workspace)
        workspace.measurements.add_image_measurement(
            f"{C_DARKFIELD}_{self._feature_of_module(F_ENGINE)}", model.engine
        )
        with shown_errors(name):
            options = self.segmentation_options.options()
            result = segment_image(image.pixel_data, model, mask, options)
        found = list(zip(self._groups(), result.by_class()))
        for group, one in found:
            _add_objects(workspace, group, one, image)
            _add_images(workspace, group, one, image)
        if self.show_window:
            self._keep_for_display(workspace, image, result, [one for _, one in found])
        free_earlier_image_sets()

    def _keep_for_display(self, workspace, image, result, found):
        data, mask = workspace.display_data, input_mask(image)
        data.image = displayed_image(image.pixel_data)
        data.probabilities = probability_picture(found)
        data.names = list(self._names())
        data.labels = [one.labels for one in found]
        data.left_out = left_out(result, found, self.threshold.value)
        data.colours = [COLOURS[one.class_index] for one in found]
        data.statistics = list(zip(STATISTICS, *(statistics(one, mask) for one in found)))

    def display(self, workspace, figure):
        data = workspace.display_data
        names = [*data.names, "Left out"]
        figure.set_subplots((2, 2))
        shown = {"interpolation": SMOOTH, "sharexy": figure.subplot(0, 0)}
        figure.subplot_imshow_color(0, 0, data.image, self.x_name.value, interpolation=SMOOTH)
        outlined = figure.subplot_imshow_color(
            *(1, 0, data.image, " and ".join(data.names)),
            # CellProfiler gives them the user's outline colors, in their order.
            cplabels=[
                {"name": name, "labels": [labels], "mode": "lines", "line_width": LINE_WIDTH}
                for name, labels in zip(names, [*data.labels, data.left_out])
            ],
            **shown,
        )
        keep_inside(outlined)
        figure.subplot_imshow_color(0, 1, data.probabilities, "Probabilities", **shown)
        draw_legends(figure.subplot(1, 1), outlined.collections, data.names, data.colours)
        # Below the legends, which take the upper part of the last subplot.
        place = {"x": 1.02, "y": 1.44, "n_cols": 0.96, "n_rows": 0.56}
        figure.subplot_table(statistics=data.statistics, col_labels=["", *data.names], **place)

    def get_measurement_columns(self, pipeline):
        model, engine = (
            f"{C_DARKFIELD}_{self._feature_of_module(feature)}" for feature in (F_MODEL, F_ENGINE)
        )
        columns = [
            (EXPERIMENT, model, COLTYPE_VARCHAR_FILE_NAME),
            (IMAGE, engine, COLTYPE_VARCHAR_FORMAT % 32),
        ]
        for name in self._names():
            columns += get_object_measurement_columns(name)
            columns.append((name, M_MEAN_PROBABILITY, COLTYPE_FLOAT))
        return columns

    def get_categories(self, pipeline, object_name):
        if object_name == EXPERIMENT:
            return [C_DARKFIELD]
        categories = self.get_object_categories(pipeline, object_name, self._names())
        return categories + [C_DARKFIELD] * (object_name in (IMAGE, *self._names()))

    def get_measurements(self, pipeline, object_name, category):
        if category == C_DARKFIELD and object_name == EXPERIMENT:
            return [self._feature_of_module(F_MODEL)]
        if category == C_DARKFIELD and object_name == IMAGE:
            return [self._feature_of_module(F_ENGINE)]
        if category == C_DARKFIELD and object_name in self._names():
            return [F_MEAN_PROBABILITY]
        return self.get_object_measurements(pipeline, object_name, category, self._names())

    def _feature_of_module(self, feature):
        # Two modules of one pipeline may have different models, but not objects of one name.
        return f"{feature}_{self.cells.objects_name.value}"

    def _groups(self):
        return [self.cells, self.spirochaetes][: 1 + self.wants_spirochaetes.value]

    def _names(self):
        """Names of the objects as the base class wants them: with those of their parents."""
        return {group.objects_name.value: [] for group in self._groups()}


def _class_settings(what, name):
    """Settings of the objects of a class: their name, and what else to keep of them."""
    group = SettingsGroup()
    group.append(
        "objects_name",
        LabelName(
            f"Name the {what}",
            f"{name}s",
            doc=f"Enter the name of the objects that this module makes of the {what}.",
        ),
    )
    group.append(
        "wants_mask",
        Binary(
            f"Keep the mask of the {what}?",
            False,
            doc=f"""\
Select *Yes* to keep a binary image that is white where one of the {what} is. Use **SaveImages** to
save it, or **MeasureImageOverlap** to compare it with a mask that was drawn by hand.
""",
        ),
    )
    group.append(
        "mask_name",
        ImageName(
            f"Name the mask of the {what}",
            f"{name}Mask",
            doc=f"*(Used only if the mask of the {what} is kept)*\n\nEnter a name for it.",
        ),
    )
    group.append(
        "wants_probability",
        Binary(
            f"Keep the probability image of the {what}?",
            False,
            doc=f"""\
Select *Yes* to keep an image whose intensity is the probability that a pixel belongs to one of the
{what}, 0 to 1, before anything was made of it.
""",
        ),
    )
    group.append(
        "probability_name",
        ImageName(
            f"Name the probability image of the {what}",
            f"{name}Probability",
            doc=f"*(Used only if the probability image of the {what} is kept)*\n\n"
            "Enter a name for it.",
        ),
    )
    return group


def _optional_images(group):
    """Pairs of the switch and the name of the images that may be made of a class."""
    return (
        (group.wants_mask, group.mask_name),
        (group.wants_probability, group.probability_name),
    )


def _visible(group):
    result = [group.objects_name]
    for wanted, name in _optional_images(group):
        result += [wanted, name] if wanted.value else [wanted]
    return result


def _add_objects(workspace, group, found, image):
    name = group.objects_name.value
    objects = Objects()
    objects.segmented = found.labels
    objects.unedited_segmented = found.all_labels
    objects.small_removed_segmented = found.all_labels
    objects.parent_image = image
    workspace.object_set.add_objects(objects, name)
    count = len(found.means)
    add_object_count_measurements(workspace.measurements, name, count)
    add_object_location_measurements(workspace.measurements, name, found.labels, count)
    workspace.measurements.add_measurement(name, M_MEAN_PROBABILITY, found.means)


def _add_images(workspace, group, found, image):
    for (wanted, name), pixels in zip(
        _optional_images(group), (found.labels > 0, found.probability)
    ):
        if wanted.value:
            workspace.image_set.add(name.value, Image(pixels, parent_image=image))
