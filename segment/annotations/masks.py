"""Conversion of masks to class indices, or to black and white."""

from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError

Color = Tuple[int, int, int]
"""Red, green and blue, 0 to 65535."""


def palette(class_names: Sequence[str], colors: Sequence[str]) -> Dict[Color, int]:
    """Return the class of each color in a mask.

    Parameters
    ----------
    class_names : sequence of str
        Class names, the background first.
    colors : sequence of str
        ``name=value`` or ``name=red,green,blue``. Black is the background unless another class
        has it. Without colors, the gray values are the class indices 0, 1, ...

    Returns
    -------
    dict of (int, int, int) to int
        Class index by color; a gray value is a color of three equal numbers.

    Raises
    ------
    UserError
        A color does not have this form, names an unknown class, or belongs to two classes.
    """
    if not colors:
        return {(index,) * 3: index for index in range(len(class_names))}
    found: Dict[Color, int] = {}
    for given in colors:
        name, _, value = given.rpartition("=")
        if name not in class_names:
            raise UserError(f"'{given}' names none of the classes {', '.join(class_names)}.")
        color = _color(value, given)
        if found.setdefault(color, class_names.index(name)) != class_names.index(name):
            raise UserError(f"'{given}' gives a second class to the same color.")
    found.setdefault((0, 0, 0), 0)
    return found


def black_and_white(
    colors: Mapping[Color, int], class_names: Sequence[str], kept: Sequence[str]
) -> Dict[Color, int]:
    """Return 255 for the colors of some classes in a palette, and 0 for all others.

    Raises
    ------
    UserError
        A name in ``kept`` is not a class.
    """
    for name in kept:
        if name not in class_names:
            raise UserError(f"'{name}' is not one of the classes {', '.join(class_names)}.")
    return {color: 255 if class_names[i] in kept else 0 for color, i in colors.items()}


def _color(value: str, given: str) -> Color:
    try:
        numbers = tuple(map(int, value.split(",")))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not all(0 <= number <= 65535 for number in numbers):
        raise UserError(f"'{given}' is not of the form name=value or name=red,green,blue.")
    red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    return red, green, blue


def recoded(mask: np.ndarray, colors: Mapping[Color, int]) -> np.ndarray:
    """Replace the colors of a mask by numbers, such as class indices.

    Parameters
    ----------
    mask : ndarray of bool, uint8 or uint16, (height, width) or (height, width, 1 to 4)
        Alpha is ignored.
    colors : dict of (int, int, int) to int
        Result of :func:`palette` or :func:`black_and_white`.

    Returns
    -------
    ndarray of uint8, (height, width)

    Raises
    ------
    UserError
        The mask is not such an array, or a pixel has none of the colors.
    """
    rgb = _rgb(mask)
    numbers = np.zeros(rgb.shape[:2], dtype=np.uint8)
    known = np.zeros(rgb.shape[:2], dtype=bool)
    for color, number in colors.items():
        found = (rgb == color).all(axis=2)
        numbers[found] = number
        known |= found
    if not known.all():
        row, col = np.argwhere(~known)[0]
        value = np.atleast_1d(mask[row, col])
        raise UserError(
            f"{(~known).sum()} pixels have none of the given colors, the first one, in row {row} "
            f"and column {col}, is {','.join(map(str, value[:3]))}: name its class."
        )
    return numbers


def _rgb(mask: np.ndarray) -> np.ndarray:
    """Return the red, green and blue of each pixel, (height, width, 3)."""
    if mask.dtype.kind not in "bu" or mask.dtype.itemsize > 2:
        raise UserError(f"A mask of {mask.dtype} has no colors: save it with 8 or 16 bits.")
    if mask.ndim == 2:
        mask = mask[:, :, None]
    if mask.ndim != 3 or mask.shape[2] > 4:
        raise UserError(f"A mask of shape {mask.shape} is neither gray nor color.")
    return mask[:, :, [0, 1, 2] if mask.shape[2] >= 3 else [0, 0, 0]]
