"""Classes of pixels: their names, their colors, and the objects that they form."""

import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError

CLASSES = ("background", "blood cell", "spirochaete")
"""Class names of the shipped networks, in the order of the class indices."""
BACKGROUND, BLOOD_CELL, SPIROCHAETE = range(3)

NOTHING, CELLS, FILAMENTS = KINDS = ("nothing", "cells", "filaments")
"""Objects that the pixels of a class can form: none, round ones, or long thin ones."""

Color = Tuple[float, float, float]
"""Red, green and blue, 0 to 1."""
BLACK: Color = (0.0, 0.0, 0.0)
"""Color of the background."""
PALETTE: Tuple[Color, ...] = (
    (1.0, 0.35, 0.1),
    (0.1, 0.85, 1.0),
    (0.3, 0.9, 0.2),
    (1.0, 0.85, 0.1),
    (0.95, 0.3, 0.85),
    (0.6, 0.5, 1.0),
    (0.8, 0.8, 0.8),
)
"""Default colors of the classes after the background, in turn."""


@dataclass(frozen=True)
class PixelClass:
    """A class of pixels.

    Attributes
    ----------
    name : str
    kind : str
        Kind of objects that its pixels form, one of KINDS.
    color : tuple of float
        Color in pictures: red, green and blue, 0 to 1.
    """

    name: str
    kind: str
    color: Color

    @property
    def in_names(self) -> str:
        """Class name as part of file and column names, a str without blanks."""
        return in_names(self.name)


def in_names(class_name: str) -> str:
    """Return a class name as part of file and column names: see :attr:`PixelClass.in_names`."""
    return re.sub(r"[^\w.-]", "_", class_name)


def pixel_classes(
    names: Sequence[str], kinds: Mapping[str, str], colors: Mapping[str, Color]
) -> Tuple[PixelClass, ...]:
    """Describe classes, with defaults for what is not given.

    By default the first class, the background, forms no objects, spirochaetes are filaments and all
    other classes cells; colors are those of PALETTE.

    Parameters
    ----------
    names : sequence of str
        Class names in the order of the indices.
    kinds : mapping of str to str
        Kinds of objects by class name.
    colors : mapping of str to tuple of float
        Colors by class name.
    """
    default_kinds = {names[BACKGROUND]: NOTHING, CLASSES[SPIROCHAETE]: FILAMENTS}
    default_colors = {names[BACKGROUND]: BLACK}
    for index, name in enumerate(names[1:]):
        default_colors[name] = PALETTE[index % len(PALETTE)]
    classes: Dict[str, PixelClass] = {}
    for name in names:
        kind = kinds.get(name, default_kinds.get(name, CELLS))
        described = PixelClass(name, kind, colors.get(name, default_colors[name]))
        # Some file systems do not distinguish capitals.
        other = classes.setdefault(described.in_names.casefold(), described)
        if other is not described:
            raise UserError(
                f"The classes '{other.name}' and '{name}' would have the same files and columns: "
                "rename one of them."
            )
    return tuple(classes.values())


def class_attributes(classes: Sequence[PixelClass]) -> Dict[str, Any]:
    """Return the attributes of a weights file that describe the classes.

    Parameters
    ----------
    classes : sequence of PixelClass

    Returns
    -------
    dict of str to list
        ``class_names``, ``class_kinds`` and ``class_colors`` in the order of the class indices.
    """
    return {
        "class_names": [one.name for one in classes],
        "class_kinds": [one.kind for one in classes],
        "class_colors": [one.color for one in classes],
    }


def declared_classes(attributes: Mapping[str, Any]) -> Tuple[PixelClass, ...]:
    """Read the classes from the attributes of a weights file.

    Parameters
    ----------
    attributes : mapping of str to JSON value
        Attributes with ``class_names``. The kinds and colors of files without ``class_kinds`` or
        ``class_colors`` are the defaults of :func:`pixel_classes`.

    Raises
    ------
    UserError
        The attributes are damaged, or no class forms objects.
    """
    defaults = class_attributes(pixel_classes(attributes["class_names"], {}, {}))
    given = {**defaults, **attributes}
    names, kinds = given["class_names"], given["class_kinds"]
    known = isinstance(kinds, list) and all(kind in KINDS for kind in kinds)
    if not known or len(kinds) != len(names):
        raise UserError("It holds unusable kinds of classes: copy or train it again.")
    if all(kind == NOTHING for kind in kinds):
        raise UserError("None of its classes becomes objects: choose another file.")
    colors = _colors(given["class_colors"], len(names))
    return pixel_classes(names, dict(zip(names, kinds)), dict(zip(names, colors)))


def _colors(given: Any, count: int) -> Sequence[Color]:
    try:
        colors = np.array(given, dtype=float)
    except (TypeError, ValueError):
        colors = np.zeros(0)
    if colors.shape != (count, 3) or not ((colors >= 0) & (colors <= 1)).all():
        raise UserError("It holds unusable class colors: copy or train it again.")
    return [(red, green, blue) for red, green, blue in colors.tolist()]
