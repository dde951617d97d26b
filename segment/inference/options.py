"""Options of the segmentation, each declared once."""

from dataclasses import dataclass
from typing import Optional

from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class SegmentationOptions(Checked):
    """Working scale of the network, and how its probabilities become objects.

    Attributes
    ----------
    cell_diameter : float, optional
        Typical diameter of a blood cell in pixels of the image, 1 to 100000. Without it, the longer
        side of the image is resized to that of the training images.
    threshold : float
        Minimum probability against background of the pixels of cells and filaments, 0.01 to 0.99.
    separate_touching : bool
        True to separate touching cells.
    fill_holes : bool
        True to count the inside of a ring as part of the cell.
    minimum_area : int
        Area of the smallest cell in pixels, 0 or more.
    discard_border : bool
        True to discard cells that touch the border of the image or of its mask.
    minimum_probability : float
        Minimum mean probability of an object, 0 to 1: of the pixels of a cell, or along the
        skeleton of a filament.
    minimum_length : float, optional
        Length of the shortest filament in pixels, 0 to 100000. Without it, 20 pixels at the working
        scale.
    mirrored_views : bool
        True to average the probabilities over the image and its three mirrored views.
    minimum_spirochaete_probability : float, optional
        Minimum probability that a filament is a spirochaete, 0 to 1. Without it, the value that is
        saved with the model. Models without such probabilities do not use it.
    """

    cell_diameter: Optional[float] = option(
        None,
        "Typical diameter of the blood cells",
        "Typical diameter of a blood cell in pixels of the image. Half or twice the true value is "
        "close enough.",
        details="""\
The network must see the cells at about the size of those in the training images.

-  *Automatic:* The longer side of the image is resized to that of the training images. This is
   right for fields of view of about 1 to 20 cells, whatever their size in pixels.
-  *Enter a value:* The image is resized so that cells of this diameter become as large as those in
   the training images. Choose this for large fields with many small cells, and for crops of a
   larger field. To measure a diameter, use the ruler in the tool bar of any CellProfiler figure.
""",
        kind=float,
        minimum=1,
        maximum=100000,
        entered="Diameter in pixels",
        absent="the longer side of the image is resized to that of the training images",
        suggested=80.0,
    )
    threshold: float = option(
        0.5,
        "Probability threshold",
        "Minimum probability, against background, of a pixel of a cell or spirochaete, whichever "
        "is more probable.",
        details="""\
Lower it if the outlines are inside the cells; raise it if they are outside. If cells are missed,
lower the *minimum mean probability* as well.
""",
        minimum=0.01,
        maximum=0.99,
    )
    separate_touching: bool = option(
        True,
        "Separate touching cells?",
        "Separate cells that touch or overlap, where they are narrow and the network is less sure.",
        details="Select *No* if single cells are divided.",
        flag="separate",
    )
    fill_holes: bool = option(
        True,
        "Fill holes in cells?",
        "Count what a cell encloses, such as the dark center of a ring, as part of the cell.",
        details="Gaps between three or more touching cells are not filled.",
    )
    minimum_area: int = option(
        50,
        "Area of the smallest cell in pixels",
        "Discard blood cells of a smaller area, in pixels of the image.",
        details="A disk with a diameter of 8 pixels has an area of 50 pixels.",
        minimum=0,
    )
    discard_border: bool = option(
        False,
        "Discard cells touching the border?",
        "Discard blood cells that touch the border of the image or of its mask, because only part "
        "of them is visible.",
        details="""\
Discard them if you measure size or shape. Keep them to count cells or to measure the covered area.
""",
    )
    minimum_probability: float = option(
        0.8,
        "Minimum mean probability",
        "Discard objects whose mean probability is lower: over the pixels of a cell, or along the "
        "skeleton of a spirochaete.",
        details="""\
Lower it if cells or spirochaetes are missed; raise it if halos and debris are found.
""",
        minimum=0.0,
        maximum=1.0,
    )
    minimum_length: Optional[float] = option(
        None,
        "Shortest spirochaete",
        "Discard shorter spirochaetes. The length is in pixels of the image.",
        details="""\
The length is measured along the skeleton, across gaps of a few pixels and across cells.

-  *Automatic:* 20 pixels at the working scale, which is 0.03 of the longer side of the image unless
   you enter a typical diameter.
-  *Enter a value:* Spirochaetes shorter than this value are discarded.
""",
        kind=float,
        minimum=0,
        maximum=100000,
        entered="Length in pixels",
        absent="20 pixels at the working scale",
        suggested=30.0,
    )
    mirrored_views: bool = option(
        False,
        "Average mirrored views?",
        "Average the probabilities over the image and its three mirrored views. This takes four "
        "times as long and reduces errors in spirochaetes.",
    )
    minimum_spirochaete_probability: Optional[float] = option(
        None,
        "Minimum spirochaete probability",
        "Discard filaments that a person would call a spirochaete with a lower probability. Models "
        "that do not measure this probability do not use it.",
        details="""\
The *minimum mean probability* then applies only to cells.

-  *Automatic:* The value that is saved with the model.
-  *Enter a value:* Lower it if spirochaetes are missed, or if a person reviews all of them; raise
   it if fibrin, debris, or borders are found.
""",
        kind=float,
        minimum=0.0,
        maximum=1.0,
        entered="Minimum probability",
        absent="the value that is saved with the model",
        suggested=0.5,
    )
