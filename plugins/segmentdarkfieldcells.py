"""Find blood cells and spirochaetes in dark-field images: a CellProfiler module."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy
from cellprofiler_core.constants.measurement import COLTYPE_FLOAT
from cellprofiler_core.image import Image
from cellprofiler_core.module import Identify
from cellprofiler_core.object import Objects
from cellprofiler_core.setting import Binary, SettingsGroup
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.setting.text import Float, ImageName, Integer, LabelName
from cellprofiler_core.utilities.core.module.identify import (
    add_object_count_measurements,
    add_object_location_measurements,
    get_object_measurement_columns,
)

if importlib.util.find_spec("segment") is None:
    # The user has only pointed CellProfiler at this folder of a clone.
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from micrograph_networks.cellprofiler.network_module import (
    NetworkModule,
    free_earlier_image_sets,
    input_mask,
    refuse_repeats,
    shown_errors,
)
from segment import SegmentationOptions, segment_image
from segment.classes import BLOOD_CELL, COLOURS, SPIROCHAETE
from segment.inference.normalisation import to_rgb

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
-  The module displays the image with the outlines of the objects; the probabilities of blood cells
   in orange and of spirochaetes in blue; the objects, each in a color of its own; and a table of
   their number, the area that they cover (per cent of the image, or of its mask), the median of
   their diameters (of circles of the same area) and the mean of their mean probabilities.
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
-  The shipped weights come from images that may not be used commercially (see *References*).

See also
^^^^^^^^

See also **IdentifyPrimaryObjects**, **MeasureObjectSizeShape**, **FilterObjects**,
**ConvertObjectsToImage**, **MeasureImageOverlap**.

Measurements made by this module
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

**Image measurements**

-  *Count:* The number of blood cells and, if identified, of spirochaetes.

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

D_AUTOMATIC = "Automatic"
D_VALUE = "Enter a value"

STATISTICS = ("Objects", "Area covered", "Median diameter", "Mean probability")


@dataclass(frozen=True)
class Found:
    """The objects of one class.

    Attributes
    ----------
    settings : SettingsGroup
        What to make of them, and names.
    colour : tuple of float
        RGB, 0 to 1.
    labels : ndarray of int32, (height, width)
    unedited : ndarray of int32, (height, width)
        The same with those that were discarded at the border.
    probability : ndarray of float32, (height, width)
        Of the class.
    means : ndarray of float, (n,)
        Mean probability of each object.
    """

    settings: SettingsGroup
    colour: tuple
    labels: numpy.ndarray
    unedited: numpy.ndarray
    probability: numpy.ndarray
    means: numpy.ndarray


# D101: CellProfiler shows __doc__ above instead.
class SegmentDarkfieldCells(NetworkModule, Identify):  # noqa: D101
    module_name = "SegmentDarkfieldCells"
    category = "Object Processing"
    variable_revision_number = 1

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
Select *Yes* to make objects of the spirochaetes, thin bacteria between the cells, as well. Of the
settings below, the probability threshold applies to them, too; the others are for cells alone.
""",
        )
        self.spirochaetes = _class_settings("spirochaetes", "Spirochaete")
        self.create_model_settings(
            "segment",
            "darkfield.h5",
            shipped="dark-field images of blood",
            custom="images and masks of your own. It must know the class *blood cell*, and "
            "*spirochaete* if those are to be found.",
        )
        self._create_scale_settings()
        self._create_object_settings()

    def _create_scale_settings(self):
        self.diameter_choice = Choice(
            "Typical diameter of the blood cells",
            [D_AUTOMATIC, D_VALUE],
            doc=f"""\
The network has to see the cells at about the size that it was trained at.

-  *{D_AUTOMATIC}:* The longer side of the image is brought to the size of the training images.
   This is right for fields of view of about 1 to 20 cells, whatever their size in pixels.
-  *{D_VALUE}:* Cells of the diameter that you enter are brought to the size of the cells in the
   training images. Choose this for large fields with many small cells, and for images that are
   crops of a larger field.
""",
        )
        self.diameter = Float(
            "Diameter in pixels",
            80.0,
            minval=1,
            maxval=100000,
            doc=f"""\
*(Used only if the typical diameter is "{D_VALUE}")*

Enter the typical diameter of a blood cell in pixels of the image; half or twice the true value is
near enough. To measure it, use *Tools > Measure length* in any image window of CellProfiler.
""",
        )

    def _create_object_settings(self):
        defaults = SegmentationOptions()
        self.threshold = Float(
            "Probability threshold",
            defaults.threshold,
            minval=0.01,
            maxval=0.99,
            doc="""\
Pixels whose probability against background is this high or higher belong to a cell or, where that
is more probable, to a spirochaete. Lower it if cells are missed or their outlines lie inside of
them; raise it if debris is found as well.
""",
        )
        self.separate_touching = Binary(
            "Separate touching cells?",
            defaults.separate_touching,
            doc="""\
Select *Yes* to divide cells that touch or overlap, along the lines where they are narrow and the
network is less sure. Select *No* if single cells come out divided.
""",
        )
        self.fill_holes = Binary(
            "Fill holes in cells?",
            defaults.fill_holes,
            doc="""\
Select *Yes* to count what a cell encloses, such as the dark center of a ring, as part of the cell.
Gaps between three or more cells that touch are not filled.
""",
        )
        self.minimum_area = Integer(
            "Smallest cell, in pixels",
            defaults.minimum_area,
            minval=0,
            doc="""\
Blood cells of a smaller area, in pixels of the image, are discarded. An area of 50 pixels is that
of a disk of 8 pixels across.
""",
        )
        self.discard_border = Binary(
            "Discard cells touching the border of the image?",
            defaults.discard_border,
            doc="""\
Select *Yes* to discard blood cells that touch the border of the image or of its mask, which are
seen in part only, if you measure their size or shape. Keep them to count cells or to measure the
area that they cover.
""",
        )
        self.bfloat16 = Binary(
            "Compute in bfloat16?",
            defaults.bfloat16,
            doc="""\
Select *Yes* to let the network compute with three digits (bfloat16) instead of seven (float32): a
few times faster on processors with AMX (Intel Xeon since 2023), slower on others. Outlines may move
by a pixel here and there.
""",
        )

    def settings(self):
        return [
            self.x_name,
            *self.cells.pipeline_settings(),
            self.wants_spirochaetes,
            *self.spirochaetes.pipeline_settings(),
            *self.model_settings(),
            self.diameter_choice,
            self.diameter,
            *self._object_settings(),
        ]

    def _object_settings(self):
        return [
            self.threshold,
            self.separate_touching,
            self.fill_holes,
            self.minimum_area,
            self.discard_border,
            self.bfloat16,
        ]

    def visible_settings(self):
        result = [self.x_name, *_visible(self.cells), self.wants_spirochaetes]
        if self.wants_spirochaetes.value:
            result += _visible(self.spirochaetes)
        result += [*self.visible_model_settings(), self.diameter_choice]
        if self.diameter_choice == D_VALUE:
            result.append(self.diameter)
        return result + self._object_settings()

    def validate_module(self, pipeline):
        groups = self._groups()
        refuse_repeats([group.objects_name for group in groups])
        refuse_repeats(
            [name for group in groups for wanted, name in _optional_images(group) if wanted.value]
        )
        self.validate_weights()

    def upgrade_settings(self, setting_values, variable_revision_number, module_name):
        # Revision 1 is the first: there is nothing to upgrade yet.
        return setting_values, variable_revision_number

    def is_object_identification_module(self):
        return True

    def run(self, workspace):
        name = self.x_name.value
        image = workspace.image_set.get_image(name)
        mask = input_mask(image)
        with shown_errors(name):
            result = segment_image(image.pixel_data, mask, self._options(), self.weights())
        found = self._found(result)
        for one in found:
            _add_objects(workspace, one, image)
            _add_images(workspace, one, image)
        if self.show_window:
            data = workspace.display_data
            data.image = numpy.nan_to_num(to_rgb(image.pixel_data) / 255)
            data.probabilities = probability_picture(found)
            data.names = [one.settings.objects_name.value for one in found]
            data.labels = [one.labels for one in found]
            pixels = result.cells.size if mask is None else numpy.count_nonzero(mask)
            data.statistics = list(zip(STATISTICS, *(statistics(one, pixels) for one in found)))
        free_earlier_image_sets()

    def display(self, workspace, figure):
        data = workspace.display_data
        figure.set_subplots((2, 2))
        figure.subplot_imshow_color(
            0,
            0,
            data.image,
            title=f"{self.x_name.value}, with outlines",
            # CellProfiler's default, nearest, drops pieces of the outlines.
            interpolation="antialiased",
            cplabels=[
                {"name": name, "labels": [labels], "outline_color": [255 * c for c in colour]}
                for name, labels, colour in zip(data.names, data.labels, COLOURS[BLOOD_CELL:])
            ],
        )
        first = figure.subplot(0, 0)
        figure.subplot_imshow_color(1, 0, data.probabilities, title="Probabilities", sharexy=first)
        figure.subplot_imshow_labels(
            0, 1, joined(data.labels), title=" and ".join(data.names), sharexy=first
        )
        figure.subplot_table(1, 1, data.statistics, col_labels=["", *data.names])

    def get_measurement_columns(self, pipeline):
        return [
            column
            for name in self._names()
            for column in (
                *get_object_measurement_columns(name),
                (name, M_MEAN_PROBABILITY, COLTYPE_FLOAT),
            )
        ]

    def get_categories(self, pipeline, object_name):
        categories = self.get_object_categories(pipeline, object_name, self._names())
        return categories + [C_DARKFIELD] * (object_name in self._names())

    def get_measurements(self, pipeline, object_name, category):
        if category == C_DARKFIELD and object_name in self._names():
            return [F_MEAN_PROBABILITY]
        return self.get_object_measurements(pipeline, object_name, category, self._names())

    def _groups(self):
        return [self.cells, self.spirochaetes][: 1 + self.wants_spirochaetes.value]

    def _names(self):
        """Names of the objects as the base class wants them: with those of their parents."""
        return {group.objects_name.value: [] for group in self._groups()}

    def _options(self):
        return SegmentationOptions(
            threshold=self.threshold.value,
            cell_diameter=self.diameter.value if self.diameter_choice == D_VALUE else None,
            separate_touching=self.separate_touching.value,
            fill_holes=self.fill_holes.value,
            minimum_area=self.minimum_area.value,
            discard_border=self.discard_border.value,
            bfloat16=self.bfloat16.value,
        )

    def _found(self, result):
        cells = Found(
            self.cells,
            COLOURS[BLOOD_CELL],
            result.cells,
            result.all_cells,
            result.probabilities[..., BLOOD_CELL],
            result.cell_probabilities,
        )
        spirochaetes = Found(
            self.spirochaetes,
            COLOURS[SPIROCHAETE],
            result.spirochaetes,
            result.spirochaetes,
            result.probabilities[..., SPIROCHAETE],
            result.spirochaete_probabilities,
        )
        return [cells, spirochaetes][: len(self._groups())]


def statistics(found, pixels):
    """Figures of the objects of one class for the displayed table.

    Parameters
    ----------
    found : Found
    pixels : int
        Number of pixels of the image that count.

    Returns
    -------
    tuple of str
        For each of STATISTICS; empty where there is no object to say it of.
    """
    areas = numpy.bincount(found.labels.ravel(), minlength=1)[1:]
    covered = f"{100 * areas.sum() / max(pixels, 1):.1f} %"
    if not areas.size:
        return "0", covered, "", ""
    diameter = 2 * numpy.sqrt(numpy.median(areas) / numpy.pi)
    return str(areas.size), covered, f"{diameter:.1f} pixels", f"{found.means.mean():.2f}"


def probability_picture(found):
    """Show the probabilities of classes as one picture, each in its colour.

    Parameters
    ----------
    found : list of Found

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1.
    """
    picture = sum(one.probability[..., None] * numpy.float32(one.colour) for one in found)
    return numpy.minimum(picture, 1)


def joined(labels):
    """Join label images whose objects do not overlap.

    Parameters
    ----------
    labels : list of ndarray of int, (height, width)

    Returns
    -------
    ndarray of int, (height, width)
        The numbers of the first are kept, those of the next go on from there.
    """
    result = numpy.array(labels[0])
    for others in labels[1:]:
        result = numpy.where(others, others + result.max(), result)
    return result


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


def _add_objects(workspace, found, image):
    name = found.settings.objects_name.value
    objects = Objects()
    objects.segmented = found.labels
    objects.unedited_segmented = found.unedited
    objects.small_removed_segmented = found.unedited
    objects.parent_image = image
    workspace.object_set.add_objects(objects, name)
    count = len(found.means)
    add_object_count_measurements(workspace.measurements, name, count)
    add_object_location_measurements(workspace.measurements, name, found.labels, count)
    workspace.measurements.add_measurement(name, M_MEAN_PROBABILITY, found.means)


def _add_images(workspace, found, image):
    for (wanted, name), pixels in zip(
        _optional_images(found.settings), (found.labels > 0, found.probability)
    ):
        if wanted.value:
            workspace.image_set.add(name.value, Image(pixels, parent_image=image))
