"""Classes of pixels: their names and colors, and what becomes of them."""

import re
from dataclasses import dataclass
from typing import Any, List, Mapping, Sequence, Tuple

from micrograph_networks.errors import UserError

CLASSES = ("background", "blood cell", "spirochaete")
"""Names of those that the shipped networks know, in the order of the indices."""
BACKGROUND, BLOOD_CELL, SPIROCHAETE = range(3)

NOTHING, CELLS, FILAMENTS = KINDS = ("nothing", "cells", "filaments")
"""What the pixels of a class become: no objects, round ones, or long thin ones."""

Color = Tuple[float, float, float]
"""Red, green and blue, 0 to 1."""
COLORS: Tuple[Color, ...] = (
    *((0.0, 0.0, 0.0), (1.0, 0.35, 0.1), (0.1, 0.85, 1.0), (0.3, 0.9, 0.2), (1.0, 0.85, 0.1)),
    *((0.95, 0.3, 0.85), (0.6, 0.5, 1.0), (0.8, 0.8, 0.8)),
)
"""Of classes that are given none, by their indices; the first one is the background's."""


@dataclass(frozen=True)
class PixelClass:
    """A class of pixels.

    Attributes
    ----------
    name : str
    kind : str
        One of KINDS.
    color : tuple of float
        In which pictures show it: red, green and blue, 0 to 1.
    """

    name: str
    kind: str
    color: Color

    @property
    def in_names(self) -> str:
        """The name as a part of names of files and columns, a str without blanks."""
        return re.sub(r"[^\w.-]", "_", self.name)


def pixel_classes(
    names: Sequence[str], kinds: Mapping[str, str], colors: Mapping[str, Color]
) -> Tuple[PixelClass, ...]:
    """Describe classes by what is said of them, and else as follows.

    The first class, the background, becomes nothing, spirochaetes become filaments and all other
    classes cells; colors are those of COLORS.

    Parameters
    ----------
    names : sequence of str
        In the order of the indices.
    kinds, colors : mapping of str to kind and to color
        By name.

    Returns
    -------
    tuple of PixelClass
    """
    usual = {names[BACKGROUND]: NOTHING, CLASSES[SPIROCHAETE]: FILAMENTS}
    palette = COLORS[1:]
    return tuple(
        PixelClass(
            name,
            kinds.get(name, usual.get(name, CELLS)),
            colors.get(name, palette[(index - 1) % len(palette)] if index else COLORS[0]),
        )
        for index, name in enumerate(names)
    )


def class_attributes(classes: Sequence[PixelClass]) -> Mapping[str, Any]:
    """What a weights file says of classes.

    Parameters
    ----------
    classes : sequence of PixelClass

    Returns
    -------
    mapping of str to JSON value
        ``class_names``, ``class_kinds`` and ``class_colors``, lists in the order of the indices.
    """
    return {
        "class_names": [one.name for one in classes],
        "class_kinds": [one.kind for one in classes],
        "class_colors": [one.color for one in classes],
    }


def declared_classes(attributes: Mapping[str, Any]) -> Tuple[PixelClass, ...]:
    """The classes of a weights file, by its attributes; a damaged file may hold anything.

    Parameters
    ----------
    attributes : mapping of str to JSON value
        With class names. Kinds and colors may be missing.

    Returns
    -------
    tuple of PixelClass
        At least one of which becomes objects.

    Raises
    ------
    UserError
    """
    names = attributes["class_names"]
    kinds = _listed(attributes, "class_kinds", len(names))
    colors = [_color(given) for given in _listed(attributes, "class_colors", len(names))]
    classes = pixel_classes(names, dict(zip(names, kinds)), dict(zip(names, colors)))
    if not all(one.kind in KINDS for one in classes):
        raise UserError("It holds unusable kinds of classes: copy or train it again.")
    if all(one.kind == NOTHING for one in classes):
        raise UserError("None of its classes becomes objects: choose another file.")
    return classes


def _listed(attributes: Mapping[str, Any], name: str, length: int) -> List[Any]:
    """The values of an attribute; none where it is missing."""
    values = attributes.get(name, [])
    if name in attributes and (not isinstance(values, list) or len(values) != length):
        raise UserError(f"It holds unusable {name.replace('_', ' ')}: copy or train it again.")
    return values


def _color(given: Any) -> Color:
    sound = isinstance(given, list) and len(given) == 3
    if not sound or not all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in given):
        raise UserError("It holds unusable class colors: copy or train it again.")
    red, green, blue = given
    return red, green, blue
