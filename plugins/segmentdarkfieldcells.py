"""Find cells and filaments, such as spirochaetes, in dark-field images: a CellProfiler module."""

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
from cellprofiler_core.setting import Binary, HiddenCount, HTMLText, SettingsGroup, ValidationError
from cellprofiler_core.setting.do_something import DoSomething, RemoveSettingButton
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
        SMOOTH,
        NetworkModule,
        free_earlier_image_sets,
        input_mask,
        keep_inside,
        refuse_repeats,
        shown_errors,
    )
    from micrograph_networks.cellprofiler.settings import LateChoice
    from micrograph_networks.engines import EngineOptions
    from micrograph_networks.errors import UserError
    from segment import SegmentationOptions, segment_image
    from segment.classes import (
        BLOOD_CELL,
        CLASSES,
        FILAMENTS,
        NOTHING,
        SPIROCHAETE,
        declared_classes,
    )
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
micrographs, with a trained neural network; with a model of your own, what you have trained it for.

For each pixel the network gives the probabilities that it belongs to the background, to a blood
cell or to a spirochaete. The pixels that are probable enough become objects: cells that touch are
separated, and a spirochaete is one object even where it crosses a cell or is interrupted. Nothing
has to be adjusted to the brightness of an image, but the network has to see the cells at about the
size that it was trained at: see *Working scale* below.

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

-  The *mean probability* of an object says how sure the network was of it. Sort the objects by it
   to find doubtful ones. The least sure ones are left out: see *Least mean probability*.
-  The module displays the image, and beside it the same with outlines. The primary, secondary and
   tertiary outline color of *File > Preferences* are in this order those of the classes, and then
   that of what was left out: at the border of the image, too small, too short or too improbable.
   Below are the probabilities, each class in a color of its own, and a table of the
   number of objects, the area that they cover (per cent of the image, or of its mask), the median
   of their sizes (of cells the diameter of a circle of the same area, of filaments the length) and
   the mean of their mean probabilities.
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
-  Spirochaetes are one or two pixels thin at the working scale. Those that cross each other become
   one object, those that are interrupted by more than some 16 pixels at the working scale become
   several, and short ones are left out.
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

-  *Count:* The number of objects of each class that is identified.
-  *Darkfield_Engine:* What computed the network, numpy or tensorflow. It ends with the name of the
   first objects.

**Experiment measurements**

-  *Darkfield_Model:* The name and version of the model, or the path of its weights file. It ends
   with the name of the first objects.

**Object measurements**

-  *Location_Center_X, Location_Center_Y:* The center of mass of the object, in pixels.
-  *Number_Object_Number:* The number of the object in the label image.
-  *Darkfield_MeanProbability:* The mean of the probability of the object's class, 0 to 1, over its
   pixels or, of spirochaetes and other filaments, along the middle line.
-  *Darkfield_Length:* The length of a spirochaete, or other filament, in pixels: along its middle
   line from end to end, and straight across gaps. Where filaments cross, that of the longest way.
-  *Darkfield_MeanWidth:* The area of a spirochaete, or other filament, by its length, in pixels.

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
F_LENGTH = "Length"
F_MEAN_WIDTH = "MeanWidth"
F_MODEL = "Model"
F_ENGINE = "Engine"
LINE_WIDTH = 1.5
"""Of outlines in the figure, in points, whatever the size of the window."""
MOST_ENLARGED = 4
"""How many times as wide an image may become without a warning: 16 times the pixels."""
GROUP_COUNT_PLACE = 1
"""Of the number of classes among the saved settings."""


# D101: CellProfiler shows __doc__ above instead.
class SegmentDarkfieldCells(NetworkModule, Identify):  # noqa: D101
    module_name = "SegmentDarkfieldCells"
    category = "Object Processing"
    variable_revision_number = 1
    # For the citation generator of CellProfiler 5.
    doi = {
        "Please cite the following when using SegmentDarkfieldCells:": (
            "https://doi.org/10.1007/978-3-319-24574-4_28"
        )
    }

    def create_settings(self):
        self.x_name = ImageSubscriber(
            "Select the input image",
            doc="Select the dark-field image, color or gray.",
        )
        self.create_model_settings(
            trained_on="dark-field images of blood",
            custom="images and masks of your own. Choose its classes under *Select the class*.",
        )
        self.groups = []
        self.group_count = HiddenCount(self.groups, "Number of classes")
        self.add_class(CLASSES[BLOOD_CELL], can_remove=False)
        self.add_button = DoSomething("", "Identify another class", self.add_next_class)
        self.engine_options = self.create_option_settings(EngineOptions)
        self.segmentation_options = self.create_option_settings(SegmentationOptions)

    def settings(self):
        return [self.x_name, self.group_count, *self._settings_after_image(self.groups)]

    def help_settings(self):
        return [self.x_name, *self._settings_after_image(self.groups[:1])]

    def _settings_after_image(self, groups):
        return [
            *(setting for group in groups for setting in group.pipeline_settings()),
            *self.model_settings(),
            *self.engine_options.all(),
            # Last: old pipelines lack the options that were added since.
            *self.segmentation_options.all(),
        ]

    def visible_settings(self):
        result = [self.x_name]
        for group in self.groups:
            result += _visible(group)
        result.append(self.add_button)
        result += self.visible_model_settings()
        return result + self.engine_options.visible() + self.segmentation_options.visible()

    def prepare_settings(self, setting_values):
        del self.groups[1:]
        for _ in range(int(setting_values[GROUP_COUNT_PLACE]) - 1):
            self.add_class(CLASSES[SPIROCHAETE])

    def add_class(self, class_name, can_remove=True):
        """Add the settings of a class whose pixels become objects."""
        group = _class_settings(class_name, lambda: list(self._kinds()))
        self.groups.append(group)
        if can_remove:
            group.append(
                "remover", RemoveSettingButton("", "Remove this class", self.groups, group)
            )

    def add_next_class(self):
        """Add the settings of the first class of the model that is not identified yet."""
        known = list(self._kinds()) or [CLASSES[SPIROCHAETE]]
        used = {group.class_name.value for group in self.groups}
        self.add_class(next((name for name in known if name not in used), known[-1]))

    def validate_module(self, pipeline):
        refuse_repeats([group.class_name for group in self.groups])
        refuse_repeats([group.objects_name for group in self.groups])
        images = [pair for group in self.groups for pair in _optional_images(group)]
        refuse_repeats([name for wanted, name in images if wanted.value])
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
            found = [(group, result.of_class(group.class_name.value)) for group in self.groups]
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
        data.colors = [one.described.color for one in found]
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
        draw_legends(figure.subplot(1, 1), outlined.collections, data.names, data.colors)
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
        for name, features in self._features().items():
            columns += get_object_measurement_columns(name)
            columns += [(name, f"{C_DARKFIELD}_{feature}", COLTYPE_FLOAT) for feature in features]
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
            return self._features()[object_name]
        return self.get_object_measurements(pipeline, object_name, category, self._names())

    def _feature_of_module(self, feature):
        # Two modules of one pipeline may have different models, but not objects of one name.
        return f"{feature}_{self.groups[0].objects_name.value}"

    def _kinds(self):
        """What becomes of the chosen model's classes, by name; nothing where it cannot be read."""
        try:
            attributes, _ = self.described_model()
            classes = declared_classes(attributes)
        except UserError:
            return {}
        return {one.name: one.kind for one in classes if one.kind != NOTHING}

    def _features(self):
        """What this module measures of the objects of each name."""
        kinds = self._kinds()
        return {
            group.objects_name.value: [F_MEAN_PROBABILITY]
            + [F_LENGTH, F_MEAN_WIDTH] * (kinds.get(group.class_name.value) == FILAMENTS)
            for group in self.groups
        }

    def _names(self):
        """Names of the objects as the base class wants them: with those of their parents."""
        return {group.objects_name.value: [] for group in self.groups}


def _class_settings(class_name, offered):
    """Settings of the objects of a class: which, their name, and what else to keep of them."""
    name = "".join(word.capitalize() for word in class_name.split())
    group = SettingsGroup()
    group.append(
        "class_name",
        LateChoice(
            "Select the class",
            class_name,
            offered,
            doc="""\
Select the class of pixels that become these objects: *blood cell* or *spirochaete* with the models
that come with the module, thin bacteria between the cells. A model of your own offers those that it
was trained for. The settings below that speak of cells to separate, to fill or to discard are not
for spirochaetes and other filaments.
""",
        ),
    )
    group.append(
        "objects_name",
        LabelName(
            "Name the objects",
            f"{name}s",
            doc="Enter the name of the objects that this module makes of the class.",
        ),
    )
    group.append(
        "wants_mask",
        Binary(
            "Keep the mask of the objects?",
            False,
            doc="""\
Select *Yes* to keep a binary image that is white where one of the objects is. Use **SaveImages** to
save it, or **MeasureImageOverlap** to compare it with a mask that was drawn by hand.
""",
        ),
    )
    group.append(
        "mask_name",
        ImageName(
            "Name the mask",
            f"{name}Mask",
            doc="*(Used only if the mask is kept)*\n\nEnter a name for it.",
        ),
    )
    group.append(
        "wants_probability",
        Binary(
            "Keep the probability image of the class?",
            False,
            doc="""\
Select *Yes* to keep an image whose intensity is the probability that a pixel belongs to the class,
0 to 1, before anything was made of it.
""",
        ),
    )
    group.append(
        "probability_name",
        ImageName(
            "Name the probability image",
            f"{name}Probability",
            doc="*(Used only if the probability image is kept)*\n\nEnter a name for it.",
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
    result = [group.class_name, group.objects_name]
    for wanted, name in _optional_images(group):
        result += [wanted, name] if wanted.value else [wanted]
    return result + ([group.remover] if hasattr(group, "remover") else [])


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
    measured = {F_MEAN_PROBABILITY: found.means}
    if found.lengths is not None:
        measured.update({F_LENGTH: found.lengths, F_MEAN_WIDTH: found.widths})
    for feature, values in measured.items():
        workspace.measurements.add_measurement(name, f"{C_DARKFIELD}_{feature}", values)


def _add_images(workspace, group, found, image):
    for (wanted, name), pixels in zip(
        _optional_images(group), (found.labels > 0, found.probability)
    ):
        if wanted.value:
            workspace.image_set.add(name.value, Image(pixels, parent_image=image))
