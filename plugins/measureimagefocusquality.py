"""Measure the focus of images patch by patch: a CellProfiler module."""

import functools
import inspect
import logging
import sys
from pathlib import Path

import numpy
from cellprofiler_core.constants.measurement import COLTYPE_INTEGER, IMAGE
from cellprofiler_core.image import Image
from cellprofiler_core.module import Module
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import Binary, Divider, HiddenCount, HTMLText, ValidationError
from cellprofiler_core.setting.do_something import DoSomething, RemoveSettingButton
from cellprofiler_core.setting.subscriber import ImageSubscriber, LabelListSubscriber
from cellprofiler_core.setting.text import ImageName, LabelName, Text
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements_ijv,
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

    from focusqual import FocusOptions, load_model, measure_focus
    from focusqual.inference import display as core_display
    from focusqual.inference.maps import mean_within, patch_map, patch_pixels
    from focusqual.inference.measurement import DEFOCUS
    from focusqual.inference.model import WEIGHTS_FILE
    from focusqual.inference.network import NETWORKS
    from focusqual.inference.options import ATTRIBUTES, OBJECTIVE, RESCALING, PictureOptions
    from focusqual.inference.patches import PATCH_SIZE
    from focusqual.inference.picture import annotate
    from focusqual.inference.stacks import rank_planes
    from focusqual.levels import LEVELS
    from focusqual.report.measurements import is_used
    from focusqual.report.run_report import report_paths, write_report
    from micrograph_networks.cellprofiler import dialogs, figures
    from micrograph_networks.cellprofiler.measurements import (
        Feature,
        current_group,
        image_values,
        text_table,
    )
    from micrograph_networks.cellprofiler.model_cache import free_earlier_image_sets
    from micrograph_networks.cellprofiler.network_module import Core, NetworkModule, input_mask
    from micrograph_networks.cellprofiler.reports import ReportSettings
    from micrograph_networks.cellprofiler.settings import (
        MOST_GROUPS,
        OutputGroup,
        check_distinct,
        saved_count,
    )
    from micrograph_networks.engines import EngineOptions
    from micrograph_networks.errors import UserError, add_path_to_errors, explain_memory_errors
    from micrograph_networks.images.acquisition import in_common
    from micrograph_networks.images.image_files import find_images
except Exception as error:
    LEVELS = 0
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
MeasureImageFocusQuality
========================

**MeasureImageFocusQuality** measures how far images are out of focus, patch by patch, with a
trained neural network.

The module cuts each image into patches of 84 x 84 pixels. For each patch the network predicts the
probabilities of 11 *defocus levels*: level 0 is sharp, and level 10 is the strongest blur. Levels
are absolute: they do not depend on the other images, the brightness, the camera offset, or the bit
depth. One level is 2 micrometers of defocus with a typical 20x objective (numerical aperture 0.5,
500 nm, air, pixels of 0.65 micrometers), which widens a point by about 3 pixels. If you use another
objective, select *To match the objective* for *How to rescale images*.

The network was trained on fluorescence images. Measure raw images, before you correct the
illumination, smooth, or rescale them.

|

============ ============ ===============
Supports 2D? Supports 3D? Respects masks?
============ ============ ===============
YES          NO           YES
============ ============ ===============

Patches do not count if more than half of their area is masked. Pixels that are NaN or infinite are
treated as masked. Color images are converted to gray (0.299 red + 0.587 green + 0.114 blue). To
measure a stack, load its planes as separate images. To find the plane that is in focus, make each
stack a group with **Groups**, and select *Yes* for *Rank the images of each group?*.

Interpreting the results
^^^^^^^^^^^^^^^^^^^^^^^^

-  A *Score* of 0 or 1 is in focus for most purposes. At a higher score, details smaller than about
   3 pixels times the score are lost.
-  Read the score together with the *Certainty*, which ranges from 0 to 1. In a blank image all
   levels are equally probable: the certainty is near 0, and the score means nothing.
-  If only a part of an image is blurred, both *FractionInFocus* and *FractionOutOfFocus* are high.
   The focus level image shows which part.

To exclude blurred images from your analysis, add **FlagImage** after this module. Flag images whose
*ImageFocus_Score* is above a maximum. To exclude blank images as well, flag images whose
*ImageFocus_Certainty* is below a minimum.

The display window shows each image with a border around each patch. The color of the border is the
defocus level, from blue (in focus) to red, or to orange if you change *Colors of the focus
levels*. The lower the certainty, the darker and grayer it is, so blank patches have dark gray
borders. Where patches overlap, the most certain one is on top. Point the mouse at a patch to see
its level and certainty in the status bar. Bars show the probabilities of the levels for the whole
image. Click a patch to see its pixels and the probabilities of its levels instead, and click
beside the image to see those of the image again. If a mask excludes patches, the table shows how
many of them count.

See also
^^^^^^^^

See also **Groups**, **FlagImage**, **MeasureImageQuality**, **MaskImage**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

The names of all measurements start with *ImageFocus* and end with the name of the image. All
measurements except *Model* and *Engine* are numbers, and they are NaN if no patch counts.

**Image measurements**

-  *Score:* Defocus level of the image, 0 to 10. It is the median of the image's probabilities,
   which are the mean of the patches' probabilities weighted by their certainties.
-  *ExpectedLevel:* Mean of the image's probabilities, 0 to 10. It is finer than the score.
-  *Certainty:* Certainty of the image: 1 if a single level has all the probability, 0 if all levels
   are equally probable (1 - entropy / ln 11).
-  *CertaintyMean, CertaintyMax, CertaintyWeightedMean:* Mean and maximum of the patches'
   certainties, and their mean weighted by themselves.
-  *Probability0* to *Probability10:* Probabilities of the levels for the image.
-  *FractionInFocus, FractionOutOfFocus, FractionUncertain:* Fractions of the patches, which add up
   to 1. Settings define which patches are out of focus and which are uncertain.
-  *PatchCount:* Number of patches that count.
-  *ExpectedDefocus* (only if images are rescaled by the objective): Expected level in micrometers
   of defocus, above or below the focal plane. Its maximum is ten times the depth of a level, which
   is one depth of field (wavelength x refractive index / NA²) unless the pixels are too coarse for
   the objective. It is a paraxial estimate, which is too large if the numerical aperture is above
   0.7 times the refractive index.
-  *BestInGroup, RankInGroup* (only if the images of each group are ranked): 1 for the image of the
   group that is most in focus and 0 for the others; rank of the image, where 1 is the best. An
   image that could not be measured has no rank, nor has any image of a group that was run in part.
-  *Engine:* Library that computed the network, numpy or tensorflow.

**Experiment measurements**

-  *Model:* Name and version of the model, or path of its weights file.

**Patch measurements** (only if you create objects for the patches)

-  *Level:* Most probable level of the patch.
-  *ExpectedLevel, Certainty, Probability0* to *Probability10:* As above, for the patch.

**Object measurements** (only if you measure focus within objects)

-  *MeanLevel, MeanCertainty:* Expected level and certainty of the patches that cover the object,
   averaged over its pixels.

References
^^^^^^^^^^

-  Yang SJ, Berndl M, Ando DM, Barch M, Narayanaswamy A, Christiansen E, Hoyer S, Roat C, Hung J,
   Rueden CT, Shankar A, Finkbeiner S, Nelson P (2018) "Assessing microscope image focus quality
   with deep learning" *BMC Bioinformatics* 19:77.
   `(link) <https://doi.org/10.1186/s12859-018-2087-4>`__

The levels, the certainty, and the display follow this article. The network and its weights are new.
If you publish results of this module, please cite the article and CellProfiler.
"""

PROBABILITIES = {f"Probability{level}": f"p{level}" for level in range(LEVELS)}
F_PATCH_COUNT = "PatchCount"
F_BEST = "BestInGroup"
F_RANK = "RankInGroup"
RANKED_BY = ("ExpectedLevel", "Certainty")
"""Features from which the ranks are computed, in the order of rank_planes."""
IMAGE_FEATURES = {
    "Score": "score",
    "ExpectedLevel": "expected_level",
    "Certainty": "certainty",
    "CertaintyMean": "certainty_mean",
    "CertaintyMax": "certainty_max",
    "CertaintyWeightedMean": "certainty_weighted_mean",
    "FractionInFocus": "fraction_in_focus",
    "FractionOutOfFocus": "fraction_out_of_focus",
    "FractionUncertain": "fraction_uncertain",
    **PROBABILITIES,
}
"""Features of an image, with their names in FocusMeasurement.summary."""
PATCH_FEATURES = {
    "Level": "level",
    "ExpectedLevel": "expected_level",
    "Certainty": "certainty",
    **PROBABILITIES,
}
"""Features of a patch, with their names in FocusMeasurement.patch_table."""
OBJECT_FEATURES = ("MeanLevel", "MeanCertainty")

OUTPUTS = (
    (
        "patches",
        "Create objects for the patches?",
        LabelName,
        "Name the patch objects",
        "FocusPatches",
        """\
Select *Yes* to make each patch an object. Its level, certainty, probabilities, and location then
become a row in the exported tables.

Patches that do not count because of a mask have a row as well, with NaN as values. Patches overlap
in the last row and column, and everywhere if the stride is smaller than the width of a patch.
Objects that overlap much take a lot of memory, so to get a dense map of the focus, keep the focus
level image instead.
""",
    ),
    (
        "level_image",
        "Keep the focus level image?",
        ImageName,
        "Name the focus level image",
        "FocusLevel",
        """\
Select *Yes* to keep an image whose intensity is the expected defocus level divided by 10: 0 is in
focus, and 1 is level 10. Where patches overlap, their values are averaged. Pixels are masked if no
patch that counts covers them.
""",
    ),
    (
        "certainty_image",
        "Keep the certainty image?",
        ImageName,
        "Name the certainty image",
        "FocusCertainty",
        """\
Select *Yes* to keep an image whose intensity is the certainty of the patches, from 0 to 1. Where
patches overlap, their values are averaged. Pixels are masked if no patch that counts covers them.
""",
    ),
    (
        "annotated_image",
        "Keep the annotated image?",
        ImageName,
        "Name the annotated image",
        "FocusAnnotated",
        """\
Select *Yes* to keep the color image of the display window: the contrast-stretched image with a
border around each patch. The color of the border is the defocus level, from blue (in focus) to red,
and uncertain patches have dark gray borders. Use **SaveImages** to save the image.
""",
    ),
)
"""Optional outputs of an image: attribute, question, type, text, default, and help of its name."""
READ_OPTICS = "Read the optics from an image..."
"""Label of the button that fills in settings."""
TABLE_HEADER, TABLE_ROW = 0.1, 0.055
"""Heights in the figure's table as fractions of a figure of the default size."""


class MeasureImageFocusQuality(NetworkModule):  # noqa: D101 - CellProfiler shows __doc__ instead
    module_name = "MeasureImageFocusQuality"
    category = "Measurement"
    variable_revision_number = 1
    measurement_category = "ImageFocus"
    # Used by the citation generator of CellProfiler 5.
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
Select *Yes* to rank the images of each group by their expected levels: the image that is most in
focus has rank 1. Use **Groups** to make each stack a group. The level of an image with a low
certainty is moved toward the mean of its group, halfway at a certainty of 0.05, so a blank image is
neither best nor worst.

Ranks are available only after the last image of a group, too late for modules such as **FlagImage**
in the same pipeline. To keep only the best planes, export the ranks and load the table into a
second pipeline with **LoadData**, as the example pipelines *focus_rank_planes* and
*focus_best_planes* do.
""",
        )
        self.report = ReportSettings(
            "Write a focus report?",
            "FocusReport",
            """\
Select *Yes* to write a report of each image at the end of the run:

-  *FocusReport_DNA.html:* A page for a browser, which opens without a network. It says how the
   microscope failed (tilt, bow, offset, drift, sites where autofocus failed) and what to do about
   it, and shows maps of the plates, histograms, and the worst images, if their annotated images are
   saved in the same folder with the suffix *_focus* as *png*. Sliders change what is out of focus.
-  *FocusReport_DNA_excluded_wells.csv:* Wells of which more than half of the images are not in
   focus.
-  *FocusReport_DNA_image_again.csv:* Sites where autofocus failed, as a table for **LoadData**.

Plates, wells and sites are those of the metadata *Plate*, *Well* and *Site*, or are recognized in
the names of the files. Test mode writes no report.
""",
        )
        self.create_model_settings(
            Core(NETWORKS, load_model, "python -m focusqual train", WEIGHTS_FILE),
            trained_on="fluorescence images",
            custom="in-focus images of your assay. Consider it if your images look different from "
            "fluorescently stained cells.",
        )
        self.engine_options = self.create_option_settings(EngineOptions)
        self.focus_options = self.create_option_settings(FocusOptions)
        self.picture_options = self.create_option_settings(PictureOptions)
        self.read_optics_button = DoSomething(
            "",
            READ_OPTICS,
            self.read_optics,
            doc="""\
Press this button and choose an image to fill in the settings below from the metadata of its file.
TIFF files of most microscopes contain some of them. A message says what was found; check it.
""",
        )

    def _create_object_settings(self):
        self.wants_objects = Binary(
            "Measure focus within objects?",
            False,
            doc="""\
Select *Yes* to measure the mean defocus level and certainty of objects that earlier modules
identified. The network measures patches, not objects: all objects in a patch get the same values
unless patches overlap. For small objects use a patch stride of 21 or 42 pixels.
""",
        )
        self.objects_list = LabelListSubscriber(
            "Select objects to measure",
            [],
            doc="""\
*(Used only if focus is measured within objects)*

Select the objects to measure in each of the images above.
""",
        )

    def add_image(self, can_remove=True):
        """Add the settings of an image to measure. The first image cannot be removed."""
        group = OutputGroup()
        if can_remove:
            group.append("divider", Divider())
        group.append(
            "image_name",
            ImageSubscriber(
                "Select the image to measure",
                doc="Select the gray or color image whose focus you want to measure.",
            ),
        )
        group.append_outputs(OUTPUTS, "", self.image_groups)
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
        """Return all settings except those of the images, in the order in which they are saved."""
        # The options come last: saved pipelines lack those that are added later.
        return [
            self.wants_objects,
            self.objects_list,
            self.wants_ranks,
            *self.report.all(),
            *self.model_settings(),
            *self.engine_options.all(),
            *self.focus_options.all(),
            *self.picture_options.all(),
        ]

    def prepare_settings(self, setting_values):
        count = saved_count(setting_values, self.settings().index(self.image_count), "images")
        del self.image_groups[count:]
        while len(self.image_groups) < count:
            self.add_image()

    def help_settings(self):
        return self.image_groups[0].pipeline_settings() + self._shared_settings()

    def visible_settings(self):
        result = []
        for group in self.image_groups:
            result += group.visible_settings()
        if len(self.image_groups) < MOST_GROUPS:
            result.append(self.add_image_button)
        result += [self.divider, *self.visible_model_settings()]
        result += self.engine_options.visible()
        for setting in self.focus_options.visible():
            result.append(setting)
            if setting is self.rescaling and self._matches_objective():
                result.append(self.read_optics_button)
        result.append(self.wants_objects)
        if self.wants_objects.value:
            result.append(self.objects_list)
        return [
            *result,
            self.wants_ranks,
            *self.picture_options.visible(),
            *self.report.visible(),
        ]

    def read_optics(self):
        """Let the user choose an image, fill in what its file says, and say what was found."""
        path = dialogs.choose_file("Choose an image with the metadata of the microscope")
        if path is not None:
            try:
                message = self.fill_in_optics(Path(path))
            except UserError as error:
                message = str(error)
            dialogs.tell(message, READ_OPTICS)

    def fill_in_optics(self, path):
        """Fill in the optics that an image file contains, and return what was found.

        Raises
        ------
        UserError
            The file cannot be read.
        """
        found = in_common([image.acquisition for image in find_images(path)])
        lines = []
        for name, attribute in ATTRIBUTES.items():
            setting, value = getattr(self, name), getattr(found, attribute)
            if value is None:
                lines.append(f"{setting.text}: not found, still {setting.value:g}")
            else:
                setting.value = float(f"{value:.6g}")
                lines.append(f"{setting.text}: {setting.value:g}")
        return "\n".join([f"In the metadata of {path.name}:", *lines, *found.notes])

    def validate_module(self, pipeline):
        check_distinct([group.image_name for group in self.image_groups])
        check_distinct([name for group in self.image_groups for name in group.wanted_outputs()])
        self.validate_names(pipeline)
        if self.wants_objects.value and not self.objects_list.value:
            raise ValidationError("No objects selected", self.objects_list)
        self.report.validate(self, pipeline)
        self.validate_weights_file()
        try:
            self.focus_options.options()
        except UserError as error:
            raise ValidationError(str(error), self.numerical_aperture) from error

    def validate_module_warnings(self, pipeline):
        super().validate_module_warnings(pipeline)
        if self.created_objects() and self.stride.value < PATCH_SIZE:
            raise ValidationError(
                f"At a stride below {PATCH_SIZE} pixels the patch objects overlap, which makes "
                "displays and measurements of them slow. Keep the focus level image instead: it is "
                "as detailed.",
                self.stride,
            )

    def model_names(self):
        return [group.image_name.value for group in self.image_groups]

    def created_objects(self):
        return [g.patches_name.value for g in self.image_groups if g.wants_patches.value]

    def features(self):
        features = super().features()
        for group in self.image_groups:
            name = group.image_name.value
            features.append(Feature(IMAGE, F_PATCH_COUNT, name, COLTYPE_INTEGER))
            features += [Feature(IMAGE, feature, name) for feature in self._image_features()]
            if self.wants_ranks.value:
                for feature in (F_BEST, F_RANK):
                    features.append(Feature(IMAGE, feature, name, COLTYPE_INTEGER, True))
            if group.wants_patches.value:
                patches = group.patches_name.value
                features += [Feature(patches, feature, name) for feature in PATCH_FEATURES]
            if self.wants_objects.value:
                for objects in self.objects_list.value:
                    features += [Feature(objects, feature, name) for feature in OBJECT_FEATURES]
        return features

    def _image_features(self):
        """Return the features of an image, with their names in FocusMeasurement.summary."""
        if not self._matches_objective():
            return IMAGE_FEATURES
        return {**IMAGE_FEATURES, "ExpectedDefocus": DEFOCUS}

    def _matches_objective(self):
        return self.focus_options.value(RESCALING) == OBJECTIVE

    def prepare_run(self, workspace):
        folder, names = self.report.folder(), map(self._report_name, self.image_groups)
        paths = [path for name in names for path in report_paths(folder, name)]
        return self.report.prepare_run(self, workspace, paths) and super().prepare_run(workspace)

    def prepare_to_create_batch(self, workspace, fn_alter_path):
        self.report.directory.alter_for_create_batch_files(fn_alter_path)
        return super().prepare_to_create_batch(workspace, fn_alter_path)

    def run(self, workspace):
        options = self.focus_options.options()
        palette = self.picture_options.options().palette
        model = self.loaded_model(workspace)
        displayed = []
        for group in self.image_groups:
            name = group.image_name.value
            image = workspace.image_set.get_image(name)
            with add_path_to_errors(name), explain_memory_errors():
                measurement = measure_focus(image.pixel_data, model, input_mask(image), options)
            self._measure_image(workspace, name, measurement.summary)
            if self.wants_objects.value:
                self._measure_objects(workspace, name, image, measurement)
            if group.wants_patches.value:
                self._make_patches(workspace, group, image, measurement)
            _make_maps(workspace, group, image, measurement)
            picture = None
            if group.wants_annotated_image.value or self.show_window:
                picture = annotate(image.pixel_data, measurement, palette)
            if group.wants_annotated_image.value:
                annotated = Image(picture, parent_image=image)
                workspace.image_set.add(group.annotated_image_name.value, annotated)
            if self.show_window:
                displayed.append(_display_data(name, image, picture, measurement))
        if self.show_window:
            workspace.display_data.images = displayed
            workspace.display_data.palette = palette
        free_earlier_image_sets()

    def _measure_image(self, workspace, image_name, summary):
        features = {F_PATCH_COUNT: "patches", **self._image_features()}
        for feature, key in features.items():
            name = self.measurement_name(feature, image_name)
            workspace.measurements.add_image_measurement(name, summary[key])

    def _measure_objects(self, workspace, image_name, image, measurement):
        maps = (
            _map(measurement.expected_level, measurement, image),
            _map(measurement.certainty, measurement, image),
        )
        for object_name in self.objects_list.value:
            objects = workspace.object_set.get_objects(object_name)
            for feature, pixels in zip(OBJECT_FEATURES, maps):
                workspace.measurements.add_measurement(
                    object_name,
                    self.measurement_name(feature, image_name),
                    mean_within(pixels, objects.ijv, objects.count),
                )

    def _make_patches(self, workspace, group, image, measurement):
        name, count = group.patches_name.value, measurement.counted.size
        pixels = patch_pixels(measurement)
        objects = Objects()
        # Unlike a label matrix, this form allows objects to overlap.
        objects.set_ijv(pixels, shape=image.pixel_data.shape[:2])
        objects.parent_image = image
        workspace.object_set.add_objects(objects, name)
        add_object_count_measurements(workspace.measurements, name, count)
        add_object_location_measurements_ijv(workspace.measurements, name, pixels, count)
        table = measurement.patch_table()
        for feature, column in PATCH_FEATURES.items():
            workspace.measurements.add_measurement(
                name, self.measurement_name(feature, group.image_name.value), table[column]
            )

    def post_group(self, workspace, grouping):
        if self.wants_ranks.value:
            for group in self.image_groups:
                self._rank_group(workspace.measurements, group.image_name.value)

    def _rank_group(self, measurements, image_name):
        """Measure the ranks of the images of the current group."""
        group = current_group(measurements)
        numbers = group.image_numbers
        if len(numbers) < group.length:
            logging.warning(
                "%s: only %d of the %d image sets of group %d were run, so %s gets no ranks in "
                "them. Run each group as a whole: choose the first and the last image set at the "
                "borders of groups (-f and -l), or run single groups (-g).",
                self.module_name,
                len(numbers),
                group.length,
                group.number,
                image_name,
            )
            ranks = numpy.full(len(numbers), numpy.nan)
        else:
            measured = [self.measurement_name(one, image_name) for one in RANKED_BY]
            ranks = rank_planes(*(image_values(measurements, one, numbers) for one in measured))
        # CellProfiler reads None as NaN, and unlike NaN it exports it as an integer's NULL.
        values = [None if numpy.isnan(rank) else int(rank) for rank in ranks]
        best = [int(rank == 1) for rank in ranks]
        for feature, column in ((F_RANK, values), (F_BEST, best)):
            name = self.measurement_name(feature, image_name)
            measurements.add_measurement(IMAGE, name, column, image_set_number=numbers)

    def post_run(self, workspace):
        for group in self.image_groups:
            write = functools.partial(self._write_report, workspace, group)
            self.report.write(self, workspace, write)

    def _write_report(self, workspace, group):
        measurements, image_name = workspace.measurements, group.image_name.value
        numbers = measurements.get_image_numbers().tolist()
        measured = [self.measurement_name(one, image_name) for one in self._image_features()]
        features = filter(is_used, [*measurements.get_feature_names(IMAGE), *measured])
        table = text_table(measurements, list(dict.fromkeys(features)), numbers)
        covered = self.report.covered(workspace.pipeline, numbers)
        name = f"{self._report_name(group)}{covered.suffix}"
        return [write_report(self.report.folder(), name, table, image_name, covered.note)]

    def _report_name(self, group):
        return f"{self.report.name.value}_{group.image_name.value}"

    def display(self, workspace, figure):
        data = workspace.display_data
        images = data.images
        count = len(images)
        figure.set_subplots((count, 1))
        table_height = TABLE_HEADER + TABLE_ROW * count
        figures.reserve_table(figure.figure, table_height)
        panels = core_display.arrange(figure.figure, count)
        core_display.draw_legend(panels.legend, data.palette)
        show_distributions = functools.partial(_show_distributions, panels, data)
        show_distributions(None)
        figures.on_click(figure, panels.pictures, show_distributions)
        for col, image in enumerate(images):
            # CellProfiler draws into the axes that it finds here.
            figure.subplots[col, 0] = panels.pictures[col]
            figure.subplot_imshow_color(
                col, 0, image["picture"], title=image["name"], interpolation=figures.SMOOTH
            )
            describe = functools.partial(_describe_patch, image)
            figures.show_under_mouse(figure, panels.pictures[col], describe)
        figure.subplot_table(
            0,
            1 - table_height,
            [[image["name"], *image["statistics"]] for image in images],
            col_labels=["", *core_display.STATISTICS],
            n_cols=count,
            n_rows=table_height,
        )


def _display_data(name, image, picture, measurement):
    """Return what the figure shows of an image, in types that can be sent between processes."""
    counted = measurement.counted
    return {
        "name": name,
        "picture": picture,
        "pixels": image.pixel_data,
        "probabilities": measurement.aggregate,
        "statistics": core_display.statistics(measurement),
        "boxes": measurement.boxes[counted],
        "levels": measurement.level[counted],
        "certainties": measurement.certainty[counted],
        "patch_probabilities": measurement.probabilities[counted],
    }


def _show_distributions(panels, data, point):
    """Show the distribution and the pixels of the patches at a point, or the images' distributions.

    Parameters
    ----------
    panels : core_display.Panels
    data : HasData
        What the figure shows.
    point : (float, float) or None
        x and y in pixels; None for the distributions of the images.
    """
    for image, axes, pixels in zip(data.images, panels.distributions, panels.patches):
        patch = point and core_display.seen_patch(image["boxes"], image["certainties"], *point)
        if patch is None:
            shown, found = (image["probabilities"], "Whole image"), None
        else:
            top, left, height, width = image["boxes"][patch]
            shown = (image["patch_probabilities"][patch], "Patch")
            found = image["pixels"][top : top + height, left : left + width]
        horizontal = len(data.images) == 1
        core_display.draw_distribution(axes, *shown, horizontal, data.palette)
        core_display.draw_patch(pixels, found)


def _describe_patch(image, x, y):
    """Return texts about the patch at a point for the status bar."""
    patch = core_display.seen_patch(image["boxes"], image["certainties"], x, y)
    if patch is None:
        return ["No patch counts here"]
    return [f"Level: {image['levels'][patch]}", f"Certainty: {image['certainties'][patch]:.2f}"]


def _make_maps(workspace, group, image, measurement):
    if group.wants_level_image.value:
        pixels = _map(measurement.expected_level / (LEVELS - 1), measurement, image)
        workspace.image_set.add(group.level_image_name.value, _masked_image(pixels, image))
    if group.wants_certainty_image.value:
        pixels = _map(measurement.certainty, measurement, image)
        workspace.image_set.add(group.certainty_image_name.value, _masked_image(pixels, image))


def _map(values, measurement, image):
    """Return values of patches as an image, NaN where no patch counts or the image is masked."""
    return patch_map(values, measurement, image.pixel_data.shape[:2], input_mask(image))


def _masked_image(pixels, image):
    known = numpy.isfinite(pixels)
    return Image(numpy.nan_to_num(pixels), mask=known, parent_image=image)
