"""How objects are made of probabilities: the options, each declared once."""

from dataclasses import dataclass
from typing import Optional

from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class SegmentationOptions(Checked):
    """At which scale the network works, and how objects are made of its probabilities.

    Attributes
    ----------
    cell_diameter : float, optional
        Typical diameter of a blood cell in pixels of the image, 1 to 100000. Without it the image's
        longer side is brought to that of the training images.
    threshold : float
        Probability against background from which a pixel belongs to a cell or filament, 0.01 to 0.99.
    separate_touching : bool
        Whether touching cells are divided.
    fill_holes : bool
        Whether the inside of rings counts as cell.
    minimum_area : int
        Pixels of the smallest cell that is kept.
    discard_border : bool
        Whether cells are left out that touch the border of the image or of its mask.
    minimum_probability : float
        Mean probability of the least sure object that is kept, 0 to 1: of a cell's pixels, or along
        a filament's middle line.
    minimum_length : float, optional
        Pixels of the shortest filament that is kept, 0 to 100000. Without it that is 20 pixels at the
        scale at which the network works.
    mirrored_views : bool
        Whether the probabilities are the mean over the image and its three mirrored views.
    """

    cell_diameter: Optional[float] = option(
        None,
        "Typical diameter of the blood cells",
        "Typical diameter of a blood cell in pixels of the image; half or twice the true value is "
        "near enough.",
        details="""\
The network has to see the cells at about the size that it was trained at.

-  *Automatic:* The longer side of the image is brought to the size of the training images. This is
   right for fields of view of about 1 to 20 cells, whatever their size in pixels.
-  *Enter a value:* Cells of the diameter that you enter are brought to the size of the cells in the
   training images. Choose this for large fields with many small cells, and for images that are
   crops of a larger field. To measure a diameter, use the ruler in the tool bar of any of
   CellProfiler's figures.
""",
        kind=float,
        minimum=1,
        maximum=100000,
        unit="pixels",
        absent="the image's longer side is brought to that of the training images",
        suggested=80.0,
    )
    threshold: float = option(
        0.5,
        "Probability threshold",
        "Probability against background from which a pixel belongs to a cell or, where that is "
        "more probable, to a spirochaete.",
        details="""\
Lower it if the outlines of cells lie inside of them; raise it if they lie outside. If cells are
missed, lower the *least mean probability* as well.
""",
        minimum=0.01,
        maximum=0.99,
    )
    separate_touching: bool = option(
        True,
        "Separate touching cells?",
        "Divide cells that touch or overlap, along the lines where they are narrow and the network "
        "is less sure.",
        details="Select *No* if single cells come out divided.",
        flag="separate",
    )
    fill_holes: bool = option(
        True,
        "Fill holes in cells?",
        "Count what a cell encloses, such as the dark center of a ring, as part of the cell.",
        details="Gaps between three or more cells that touch are not filled.",
    )
    minimum_area: int = option(
        50,
        "Smallest cell, in pixels",
        "Blood cells of a smaller area, in pixels of the image, are discarded.",
        details="An area of 50 pixels is that of a disk of 8 pixels across.",
        minimum=0,
        unit="pixels",
    )
    discard_border: bool = option(
        False,
        "Discard cells touching the border of the image?",
        "Discard blood cells that touch the border of the image or of its mask, which are seen in "
        "part only.",
        details="""\
Discard them if you measure size or shape. Keep them to count cells or to measure the area that they
cover.
""",
    )
    minimum_probability: float = option(
        0.8,
        "Least mean probability",
        "Objects are discarded whose mean probability is lower: that of a cell's pixels, or that "
        "along the middle line of a spirochaete.",
        details="""\
Lower it if cells or spirochaetes are missed; raise it if halos and debris are found as well.
""",
        minimum=0.0,
        maximum=1.0,
    )
    minimum_length: Optional[float] = option(
        None,
        "Shortest spirochaete",
        "Spirochaetes of a smaller length, in pixels of the image, are discarded.",
        details="""\
The length is that along the middle line, and across gaps of a few pixels and cells that lie on it.

-  *Automatic:* 20 pixels at the scale at which the network works, which are 0.03 of the longer side
   of the image unless you enter a typical diameter.
-  *Enter a value:* Spirochaetes that are shorter than the value that you enter are discarded.
""",
        kind=float,
        minimum=0,
        maximum=100000,
        unit="pixels along the line",
        absent="20 pixels at the scale at which the network works",
        suggested=30.0,
    )
    mirrored_views: bool = option(
        False,
        "Average mirrored views?",
        "Compute the image and its three mirror images, and take the mean of the probabilities: "
        "four times the time for fewer errors in spirochaetes.",
    )
