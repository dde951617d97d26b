"""Identify cells and spirochaetes in dark-field images: a CellProfiler module."""

import functools
import inspect
import logging
import re
import sys
from pathlib import Path

from cellprofiler_core.constants.measurement import IMAGE
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import HiddenCount, HTMLText, ValidationError
from cellprofiler_core.setting.do_something import DoSomething, RemoveSettingButton
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.setting.text import ImageName, LabelName, Text
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements,
)

# In a clone or an unzipped release our packages are next to plugins/. Put them first on sys.path,
# before other packages of the same names.
HOME = Path(__file__).resolve().parent.parent
if (HOME / "micrograph_networks").is_dir():
    sys.path.insert(0, str(HOME))
VERSION = "0.2.0"
"""Version of the packages that this file belongs to."""
try:
    from micrograph_networks import __version__

    if __version__ != VERSION:
        raise ImportError(f"micrograph_networks has version {__version__}")

    from micrograph_networks.cellprofiler import figures
    from micrograph_networks.cellprofiler.measurements import Feature
    from micrograph_networks.cellprofiler.model_cache import free_earlier_image_sets
    from micrograph_networks.cellprofiler.network_module import Core, NetworkModule, input_mask
    from micrograph_networks.cellprofiler.reports import ReportSettings
    from micrograph_networks.cellprofiler.settings import (
        MOST_GROUPS,
        LateChoice,
        OutputGroup,
        check_distinct,
        saved_count,
        unused_name,
    )
    from micrograph_networks.engines import EngineOptions
    from micrograph_networks.errors import UserError, add_path_to_errors, explain_memory_errors
    from micrograph_networks.images.image_files import has_color
    from segment import SegmentationOptions, load_model, segment_image
    from segment.classes import (
        BLOOD_CELL,
        CLASSES,
        FILAMENTS,
        NOTHING,
        SPIROCHAETE,
        declared_classes,
    )
    from segment.inference import display as core_display
    from segment.inference.evidence import JUDGED
    from segment.inference.model import WEIGHTS_FILE
    from segment.inference.network import NETWORKS
    from segment.report.run_review import (
        Origin,
        ReviewFiles,
        keep_image,
        write_run_reviews,
    )
except Exception as error:
    # Duplicated in every plugin on purpose: the shared package may be missing.
    INCOMPLETE = (
        f"{Path(__file__).resolve()} of version {VERSION} is incomplete ({error}). Set "
        "CellProfiler's plugins directory to the plugins folder of a release that was unzipped as "
        "a whole, and restart CellProfiler."
    )
    logging.exception(INCOMPLETE)

    class NetworkModule(Module):
        """Placeholder in the module list: keeps the saved settings and explains the repair."""

        __module__ = Module.__module__  # CellProfiler 5 takes the first module that a file defines

        def __init_subclass__(cls):
            for name, value in list(vars(cls).items()):
                if inspect.isfunction(value):
                    delattr(cls, name)

        def create_settings(self):
            self.explanation = HTMLText("", INCOMPLETE, size=(20, 5))
            self.saved = []

        def settings(self):
            return self.saved

        def visible_settings(self):
            return [self.explanation]

        def set_settings_from_values(self, setting_values, variable_revision_number, module_name):
            self.variable_revision_number = variable_revision_number
            self.saved = [Text("", value) for value in setting_values]

        def validate_module(self, pipeline):
            raise ValidationError(INCOMPLETE, self.explanation)

        def prepare_run(self, workspace):
            raise ValueError(INCOMPLETE)

        run = prepare_run


__doc__ = """\
SegmentDarkfieldCells
=====================

**SegmentDarkfieldCells** identifies blood cells and, if you want, spirochaetes in dark-field
images with a trained neural network.

For each pixel the network predicts the probabilities of background, blood cell, and spirochaete.
Pixels with a high enough probability become objects. The module separates cells that touch. A
spirochaete is one object even if it crosses a cell or has gaps. You do not need to adjust anything
to the brightness of the images, but the network must see cells at about the size on which it was
trained: see *Working scale* below. If you train a model of your own, the module identifies its
classes.

|

============ ============ ===============
Supports 2D? Supports 3D? Respects masks?
============ ============ ===============
YES          NO           YES
============ ============ ===============

Masked pixels are background, and so are margins of one color around the picture: bars at its sides,
the black around a round field of view, and frames. Color images are used without their alpha
channel. Gray images are used as color images without color. To segment a stack, load its planes as
separate images.

If your files have colors, select *Color image* in **NamesAndTypes**: the network was trained on
colors, and finds other objects without them. If you select *Grayscale image*, the title of the
figure and the log say that the colors are missing.

Interpreting the results
^^^^^^^^^^^^^^^^^^^^^^^^

-  The *mean probability* of an object tells how certain the network is. Sort the objects by it to
   find doubtful ones. A setting discards the objects with the lowest mean probabilities.
-  The display window shows the image with and without outlines, and the probabilities. Each class
   has a color, the same in both pictures and in those of the command line. White outlines surround
   discarded pixels, which touch the border of the image or are too few, too short, or too
   improbable. A table shows the number of objects, the percentage of the image (or its mask) that
   they cover, the median size (diameter of a circle with the area of the cell, or length of the
   filament), and the mean of the mean probabilities. Click an object to see its number, class,
   probability, and size.
-  An image without cells has zero objects. This is not an error.

Working scale
^^^^^^^^^^^^^

By default the module resizes the longer side of each image to that of the training images, which
showed fields of view with about 1 to 20 cells. In large fields with many small cells, the cells
would become too small. If your images look like this, enter the *typical diameter* of the blood
cells: the module then resizes images so that the cells have the diameter that the network knows.
All results are in pixels of the original image.

Limitations
^^^^^^^^^^^

-  For research use only, not for diagnosis. The model cards in *model_weights* list the sensitivity
   and specificity with which images that show spirochaetes are found, and on which images these
   were measured.
-  The network was trained on dark-field images of blood from one collection. Check the outlines
   before you use it on images of another microscope, stain, or species. If it fails, train it on
   your own images with *python -m segment train*.
-  Spirochaetes are only one or two pixels thick at the working scale. Those that lie side by side
   become one object, those with gaps of more than about 16 pixels at the working scale become
   several objects, and short ones are discarded.
-  The images on which the shipped models were trained exclude commercial use (see *References*).

See also
^^^^^^^^

See also **IdentifyPrimaryObjects**, **MeasureObjectSizeShape**, **FilterObjects**,
**ConvertObjectsToImage**, **MeasureImageOverlap**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

**Image measurements**

-  *Count:* Number of objects of each class.
-  *Darkfield_Dissimilarity:* How unlike the training images the image looks, whatever is found in
   it. 95 percent of the training images have 1 or less, and nearly all images of other kinds, such
   as fluorescence, bright field or stained tissue, have more. To exclude them, use **FlagImage**
   with a maximum of 1. The name of the measurement ends with the name of the first objects.
-  *Darkfield_Engine:* Library that computed the network, numpy or tensorflow. The name of the
   measurement ends with the name of the first objects.
-  *Darkfield_PresenceProbability:* Probability that the image shows at least one spirochaete, 0 to
   1, for **FlagImage**. The name of the measurement ends with the name of the first objects. It is
   NaN if the model contains no fit for it, as the models that come with the module. To make a fit
   on your own images and masks, use *python -m segment fit-evidence*.

**Experiment measurements**

-  *Darkfield_Model:* Name and version of the model, or path of its weights file. The name of the
   measurement ends with the name of the first objects.

**Object measurements**

-  *Location_Center_X, Location_Center_Y:* Center of mass of the object, in pixels.
-  *Number_Object_Number:* Number of the object in the label image.
-  *Darkfield_MeanProbability:* Mean probability of the object's class, 0 to 1, over the pixels of a
   cell or along the skeleton (center line) of a spirochaete or other filament.
-  *Darkfield_Length:* Length of a spirochaete or other filament in pixels: along its skeleton from
   end to end, and straight across gaps and crossings. Where filaments cross, each pixel belongs to
   one of them.
-  *Darkfield_MeanWidth:* Area of a spirochaete or other filament divided by its length, in pixels.
-  *Darkfield_SpirochaeteProbability:* Probability that a person would call the object a
   spirochaete, 0 to 1, or NaN as *Darkfield_PresenceProbability*.

References
^^^^^^^^^^

-  Ronneberger O, Fischer P, Brox T (2015) "U-Net: convolutional networks for biomedical image
   segmentation" *MICCAI 2015*, LNCS 9351, 234-241.
   `(link) <https://doi.org/10.1007/978-3-319-24574-4_28>`__
-  Simonyan K, Zisserman A (2014) "Very deep convolutional networks for large-scale image
   recognition" *arXiv*:1409.1556. `(link) <https://arxiv.org/abs/1409.1556>`__
-  Pollehn L (2020) "Bacteria detection with darkfield microscopy", data set, CC BY-NC 4.0.
   `(link) <https://www.kaggle.com/datasets/longnguyen2306/bacteria-detection-with-darkfield-microscopy>`__

If you publish results of this module, please cite the data set and CellProfiler.
"""

F_DISSIMILARITY = "Dissimilarity"
F_MEAN_PROBABILITY = "MeanProbability"
F_LENGTH = "Length"
F_MEAN_WIDTH = "MeanWidth"
F_SPIROCHAETE_PROBABILITY = "SpirochaeteProbability"
F_PRESENCE_PROBABILITY = "PresenceProbability"

OUTPUTS = (
    (
        "mask",
        "Keep the mask of the objects?",
        ImageName,
        "Name the mask",
        "{}Mask",
        """\
Select *Yes* to keep a binary image that is white inside the objects. Use **SaveImages** to save it,
or **MeasureImageOverlap** to compare it with a mask that you drew by hand.
""",
    ),
    (
        "probability",
        "Keep the probability image?",
        ImageName,
        "Name the probability image",
        "{}Probability",
        """\
Select *Yes* to keep an image whose intensity is the probability that a pixel belongs to the class,
from 0 to 1, before objects are made of it.
""",
    ),
)
"""Optional outputs of a class: attribute, question, type, text, default, and help of its name."""
IMAGE_OUTPUTS = (
    (
        "uncertainty",
        "Keep the uncertainty image?",
        ImageName,
        "Name the uncertainty image",
        "DarkfieldUncertainty",
        """\
Select *Yes* to keep an image whose intensity tells how uncertain the network is about the class of
each pixel: 0 is certain, and 1 means that all classes are equally probable. It is the entropy of
the probabilities divided by its maximum.
""",
    ),
)
"""Optional outputs of the image, in the same form."""
warn_once = functools.lru_cache(maxsize=None)(logging.warning)
"""Log a warning unless the process has logged it before."""
LINE_WIDTH = 1.5
"""Width of outlines in the figure, in points."""
MOST_ENLARGED = 4
"""Factor of enlargement from which a warning says that images take long."""


class SegmentDarkfieldCells(NetworkModule):  # noqa: D101 - CellProfiler shows __doc__ instead
    module_name = "SegmentDarkfieldCells"
    category = "Object Processing"
    variable_revision_number = 1
    measurement_category = "Darkfield"
    # Used by the citation generator of CellProfiler 5.
    doi = {
        "Please cite the following when using SegmentDarkfieldCells:": (
            "https://doi.org/10.1007/978-3-319-24574-4_28"
        )
    }

    def create_settings(self):
        self.x_name = ImageSubscriber(
            "Select the input image", doc="Select the dark-field image, color or gray."
        )
        self.create_model_settings(
            Core(NETWORKS, load_model, "python -m segment train", WEIGHTS_FILE),
            trained_on="dark-field images of blood",
            custom="images and masks of your own. Select its classes under *Select the class*.",
        )
        self.groups = []
        self.group_count = HiddenCount(self.groups, "Number of classes")
        self.add_class(CLASSES[BLOOD_CELL], can_remove=False)
        self.add_button = DoSomething("", "Identify another class", self.add_next_class)
        self.image_outputs = OutputGroup()
        self.image_outputs.append_outputs(IMAGE_OUTPUTS, "", self.groups)
        self.report = ReportSettings(
            "Write review pages?",
            "DarkfieldReview",
            """\
Select *Yes* to write a page for each class at the end of the run, on which a person accepts or
rejects the objects:

-  *DarkfieldReview_Spirochaetes.html:* A page for a browser, which opens without a network. It
   shows each object outlined and plain, the most probable first, and how many images of each folder
   show one, with 95% confidence intervals. Keys accept or reject an object.
-  *DarkfieldReview_Spirochaetes_groups.csv:* The same numbers as a table, a row for each folder,
   before any object is rejected.
-  *DarkfieldReview_00001.jpg:* Picture of an image set. Keep the pictures beside the pages.

*Spirochaetes* stands for the name of the objects. Select a folder for the files under *Report
location*, because there is a picture for each image set. Test mode writes no page.
""",
        )
        self.engine_options = self.create_option_settings(EngineOptions)
        self.segmentation_options = self.create_option_settings(SegmentationOptions)

    def add_class(self, class_name, can_remove=True):
        """Add the settings of a class that is identified. The first class cannot be removed."""
        group = OutputGroup()
        # The user names the classes of a custom model. CellProfiler takes only ASCII names.
        words = re.split("[^0-9A-Za-z]+", class_name)
        word = "".join(word.capitalize() for word in words)
        if not word[:1].isalpha():
            word = f"Class{word}"
        objects = unused_name(f"{word}s", [group.objects_name for group in self.groups])
        group.append(
            "class_name",
            LateChoice(
                "Select the class",
                class_name,
                lambda: list(self._kinds()),
                doc="""\
Select the class that these objects belong to. The models that come with the module identify *blood
cell* and *spirochaete*, thin bacteria between the cells. A model of your own identifies the classes
on which you trained it. The settings for separating, filling, and discarding cells below do not
apply to spirochaetes and other filaments.
""",
            ),
        )
        group.append(
            "objects_name",
            LabelName("Name the objects", objects, doc="Enter a name for the objects."),
        )
        group.append_outputs(OUTPUTS, word, self.groups)
        if can_remove:
            group.append(
                "remover", RemoveSettingButton("", "Remove this class", self.groups, group)
            )
        self.groups.append(group)

    def add_next_class(self):
        """Add the settings of the model's first class that is not identified yet."""
        known = list(self._kinds()) or [CLASSES[SPIROCHAETE]]
        used = {group.class_name.value for group in self.groups}
        self.add_class(next((name for name in known if name not in used), known[-1]))

    def settings(self):
        return [self.x_name, self.group_count, *self._settings_after_image(self.groups)]

    def help_settings(self):
        return [self.x_name, *self._settings_after_image(self.groups[:1])]

    def _settings_after_image(self, groups):
        return [
            *(setting for group in groups for setting in group.pipeline_settings()),
            *self.image_outputs.pipeline_settings(),
            *self.report.all(),
            *self.model_settings(),
            *self.engine_options.all(),
            # The options come last: saved pipelines lack those that are added later.
            *self.segmentation_options.all(),
        ]

    def visible_settings(self):
        result = [self.x_name]
        for group in self.groups:
            result += group.visible_settings()
        if len(self.groups) < MOST_GROUPS:
            result.append(self.add_button)
        result += self.image_outputs.visible_settings()
        result += self.report.visible()
        result += self.visible_model_settings()
        return result + self.engine_options.visible() + self.segmentation_options.visible()

    def prepare_settings(self, setting_values):
        count = saved_count(setting_values, self.settings().index(self.group_count), "classes")
        del self.groups[count:]
        while len(self.groups) < count:
            self.add_class(CLASSES[SPIROCHAETE])

    def validate_module(self, pipeline):
        check_distinct([group.class_name for group in self.groups])
        check_distinct([group.objects_name for group in self.groups])
        outputs = [*self.groups, self.image_outputs]
        check_distinct([name for group in outputs for name in group.wanted_outputs()])
        self.validate_names(pipeline)
        self.validate_weights_file()
        self.report.validate(self, pipeline)

    def validate_module_warnings(self, pipeline):
        super().validate_module_warnings(pipeline)
        known = self.described_model().get("cell_diameter", 0)
        diameter = self.segmentation_options.options().cell_diameter
        if diameter and known > MOST_ENLARGED * diameter:
            raise ValidationError(
                f"The network was trained on cells of {known:.0f} pixels. With a diameter of "
                f"{diameter:g} pixels, images become more than {MOST_ENLARGED} times as wide and "
                "high, and take long.",
                self.cell_diameter,
            )

    def is_object_identification_module(self):
        return True

    def model_names(self):
        # Two modules in a pipeline may use different models, but their objects' names differ.
        return [self.groups[0].objects_name.value]

    def features(self):
        features = super().features()
        features.append(Feature(IMAGE, F_DISSIMILARITY, self.model_names()[0]))
        features.append(Feature(IMAGE, F_PRESENCE_PROBABILITY, self.model_names()[0]))
        kinds = self._kinds()
        for group in self.groups:
            name = group.objects_name.value
            features.append(Feature(name, F_MEAN_PROBABILITY))
            if kinds.get(group.class_name.value) == FILAMENTS:
                features += [Feature(name, F_LENGTH), Feature(name, F_MEAN_WIDTH)]
                if group.class_name.value == JUDGED:
                    features.append(Feature(name, F_SPIROCHAETE_PROBABILITY))
        return features

    def created_objects(self):
        return [group.objects_name.value for group in self.groups]

    def _kinds(self):
        """Return the kinds of objects of the model's classes by name; nothing if it is unusable."""
        try:
            classes = declared_classes(self.described_model())
        except UserError:
            return {}
        return {one.name: one.kind for one in classes if one.kind != NOTHING}

    def _review_files(self):
        return ReviewFiles(self.report.folder(), self.report.name.value)

    def prepare_run(self, workspace):
        files = self._review_files()
        paths = [path for name in self.created_objects() for path in files.results(name)]
        return self.report.prepare_run(self, workspace, paths) and super().prepare_run(workspace)

    def prepare_to_create_batch(self, workspace, fn_alter_path):
        self.report.directory.alter_for_create_batch_files(fn_alter_path)
        return super().prepare_to_create_batch(workspace, fn_alter_path)

    def run(self, workspace):
        image_name = self.x_name.value
        image = workspace.image_set.get_image(image_name)
        options = self.segmentation_options.options()
        model = self.loaded_model(workspace)
        lost_color = _lost_color(image)
        if lost_color:
            warn_once(
                f"{self.module_name}: {image_name} was loaded as a grayscale image, but its file "
                "has colors, on which the network was trained. In NamesAndTypes, select 'Color "
                "image'."
            )
        with add_path_to_errors(image_name), explain_memory_errors():
            result = segment_image(image.pixel_data, model, input_mask(image), options)
            found = [result.of_class(group.class_name.value) for group in self.groups]
            if self.report.is_wanted(workspace):
                number = workspace.measurements.image_set_number
                origin = Origin(number, image.file_name, image.path_name)
                objects = dict(zip(self.created_objects(), found))
                keep_image(self._review_files(), origin, image.pixel_data, objects, result)
        measured = {
            F_DISSIMILARITY: result.dissimilarity,
            F_PRESENCE_PROBABILITY: result.presence_probability,
        }
        for feature, value in measured.items():
            name = self.measurement_name(feature, self.model_names()[0])
            workspace.measurements.add_image_measurement(name, value)
        for group, one in zip(self.groups, found):
            self._add_objects(workspace, group.objects_name.value, one, image)
            pixels = {"mask": one.labels > 0, "probability": one.probability}
            _add_images(workspace, group, pixels, image)
        if self.image_outputs.wanted_outputs():
            _add_images(workspace, self.image_outputs, {"uncertainty": result.uncertainty}, image)
        if self.show_window:
            self._keep_for_display(workspace, image, lost_color, result, found)
        free_earlier_image_sets()

    def _add_objects(self, workspace, name, found, image):
        objects = Objects()
        objects.segmented = found.labels
        objects.unedited_segmented = found.all_labels
        objects.small_removed_segmented = found.all_labels
        objects.parent_image = image
        workspace.object_set.add_objects(objects, name)
        measurements, count = workspace.measurements, len(found.means)
        add_object_count_measurements(measurements, name, count)
        add_object_location_measurements(measurements, name, found.labels, count)
        values = {F_MEAN_PROBABILITY: found.means}
        if found.lengths is not None:
            values.update({F_LENGTH: found.lengths, F_MEAN_WIDTH: found.widths})
        if found.spirochaete_probabilities is not None:
            values[F_SPIROCHAETE_PROBABILITY] = found.spirochaete_probabilities
        for feature, measured in values.items():
            measurements.add_measurement(name, self.measurement_name(feature), measured)

    def post_run(self, workspace):
        write = functools.partial(self._write_reviews, workspace)
        self.report.write(self, workspace, write)

    def _write_reviews(self, workspace):
        measurements = workspace.measurements
        numbers = measurements.get_image_numbers().tolist()
        # Records of an image set that failed are those of an earlier run.
        measured = self.measurement_name(F_DISSIMILARITY, self.model_names()[0])
        segmented = [one for one in numbers if measurements.has_measurements(IMAGE, measured, one)]
        covered = self.report.covered(workspace.pipeline, numbers)
        classes = {group.objects_name.value: group.class_name.value for group in self.groups}
        files = self._review_files()
        return write_run_reviews(files, segmented, classes, *covered)

    def _keep_for_display(self, workspace, image, lost_color, result, found):
        data, mask = workspace.display_data, input_mask(image)
        data.image = core_display.displayed_image(image.pixel_data)
        data.probabilities = core_display.probability_picture(found)
        data.title = core_display.image_title(self.x_name.value, result, lost_color)
        data.names = self.created_objects()
        data.labels = [one.labels for one in found]
        data.discarded = core_display.discarded(result, found, self.threshold.value)
        data.colors = [one.pixel_class.color for one in found]
        data.descriptions = [
            core_display.descriptions(name, one) for name, one in zip(data.names, found)
        ]
        data.statistics = list(
            zip(core_display.STATISTICS, *(core_display.statistics(one, mask) for one in found))
        )

    def display(self, workspace, figure):
        data = workspace.display_data
        figure.set_subplots((2, 2))
        shared = {"interpolation": figures.SMOOTH, "sharexy": figure.subplot(0, 0)}
        figure.subplot_imshow_color(0, 0, data.image, data.title, interpolation=figures.SMOOTH)
        shown = zip(
            [*data.names, "Discarded"],
            [*data.labels, data.discarded],
            [*data.colors, core_display.DISCARDED_COLOR],
        )
        outlines = [
            {
                **{"name": name, "labels": [labels], "mode": "lines", "line_width": LINE_WIDTH},
                "outline_color": tuple(round(255 * value) for value in color),
            }
            for name, labels, color in shown
        ]
        outlined = figure.subplot_imshow_color(
            1, 0, data.image, " and ".join(data.names), cplabels=outlines, **shared
        )
        figures.remove_lines_outside(outlined)
        figure.subplot_imshow_color(0, 1, data.probabilities, "Probabilities", **shared)
        describe = functools.partial(
            core_display.describe_object, outlined, data.labels, data.descriptions
        )
        figures.on_click(figure, list(figure.subplots.ravel()[:3]), describe)
        core_display.draw_legend(figure.subplot(1, 1), data.names, data.colors)
        # The table is below the legend, which takes the upper part of the last subplot.
        position = {"x": 1.02, "y": 1.44, "n_cols": 0.96, "n_rows": 0.56}
        columns = ["", *data.names]
        figure.subplot_table(statistics=data.statistics, col_labels=columns, **position)


def _lost_color(image):
    """Return True if CellProfiler dropped the colors of a file when it read the image."""
    if image.has_parent_image or image.pixel_data.ndim > 2 or not image.file_name:
        return False
    return has_color(Path(image.path_name, image.file_name))


def _add_images(workspace, group, pixels, image):
    for attribute, values in pixels.items():
        if getattr(group, f"wants_{attribute}").value:
            name = getattr(group, f"{attribute}_name").value
            workspace.image_set.add(name, Image(values, parent_image=image))
