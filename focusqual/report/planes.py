"""The plane in focus of each stack of a focus.csv."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Pattern, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from focusqual.inference.stacks import weighted_level
from focusqual.levels import LEVELS
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number, read_csv
from micrograph_networks.plotting import save_figure

PLANE = "Plane"
"""Group of the pattern that numbers the planes; the other groups identify the stack."""
NUMBERS = ("score", "expected_level", "certainty")
COLUMNS = ("image", "folder", *NUMBERS)
"""Required columns of focus.csv."""
IN_FOCUS_SCORE = 1
"""Maximum score of a plane in focus."""


@dataclass(frozen=True)
class MeasuredPlane:
    """A plane of a focus.csv.

    Attributes
    ----------
    image, file : str
        Name of the plane, and of the file that contains it, which may be the same.
    folder : Path
    frame : str
        Number by which CellProfiler opens the plane in its file; empty if there is none.
    number : float
        Position in the stack.
    score, expected_level, certainty : float
        NaN if the plane could not be measured.
    """

    image: str
    file: str
    folder: Path
    frame: str
    number: float
    score: float
    expected_level: float
    certainty: float


@dataclass(frozen=True)
class Stack:
    """A stack of planes.

    Attributes
    ----------
    tags : dict of str to str
        Groups of the pattern, which are the same for all planes.
    planes : list of MeasuredPlane
        Sorted by number.
    """

    tags: Dict[str, str]
    planes: List[MeasuredPlane]

    @property
    def name(self) -> str:
        """The joined tags."""
        return " ".join(self.tags.values())

    @cached_property
    def weighted_levels(self) -> np.ndarray:
        """:func:`focusqual.inference.stacks.weighted_level` of the planes, float (planes,)."""
        levels = np.array([plane.expected_level for plane in self.planes])
        return weighted_level(levels, np.array([plane.certainty for plane in self.planes]))

    @property
    def best(self) -> int:
        """Index of the plane most in focus; 0 if none was measured."""
        return int(np.argmin(np.nan_to_num(self.weighted_levels, nan=LEVELS)))

    @property
    def best_plane(self) -> MeasuredPlane:
        """The plane most in focus."""
        return self.planes[self.best]

    def in_focus(self, certain_from: float) -> bool:
        """Return True if a plane has a score of 0 or 1 and at least this certainty."""
        return any(
            plane.score <= IN_FOCUS_SCORE and plane.certainty >= certain_from
            for plane in self.planes
        )


def compile_pattern(text: str) -> Pattern[str]:
    """Compile the regular expression that identifies stacks and planes.

    Parameters
    ----------
    text : str
        Python syntax with named groups, as in CellProfiler's Metadata module.

    Raises
    ------
    UserError
        The text is not a regular expression, or lacks the group Plane or another group.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"'{text}' is not a regular expression: {error}.") from None
    if PLANE not in pattern.groupindex or len(pattern.groupindex) < 2:
        raise UserError(
            f"'{text}' needs a group (?P<{PLANE}>...), and at least one more named group that "
            "identifies the stack."
        )
    return pattern


def read_stacks(table: Path, pattern: Pattern[str]) -> Tuple[List[Stack], List[str]]:
    """Read a focus.csv and group its images by stack.

    Parameters
    ----------
    table : Path
    pattern : re.Pattern
        Searched in the paths of the images, with ``/`` between folders.

    Returns
    -------
    stacks : list of Stack
        In the order of their first images.
    others : list of str
        Paths that the pattern does not match.

    Raises
    ------
    UserError
        The table is not a focus.csv, no image matches, a plane is not a number, or two images are
        the same plane.
    """
    stacks: Dict[Tuple[str, ...], Stack] = {}
    others = []
    for row in read_csv(table, COLUMNS, "a focus.csv of 'focusqual predict' of this version"):
        path = Path(row["folder"], row["image"]).as_posix()
        match = pattern.search(path)
        if match is None:
            others.append(path)
            continue
        tags = {name: value or "" for name, value in match.groupdict().items() if name != PLANE}
        stack = stacks.setdefault(tuple(tags.values()), Stack(tags, []))
        stack.planes.append(_plane(row, path, match[PLANE]))
    if not stacks:
        raise UserError(f"'{pattern.pattern}' matches no path in {table}, such as {others[0]}.")
    for stack in stacks.values():
        stack.planes.sort(key=lambda plane: plane.number)
        _refuse_repeats(stack)
    return list(stacks.values()), others


def _plane(row: Dict[str, str], path: str, plane: str) -> MeasuredPlane:
    try:
        position = float(plane)
    except (TypeError, ValueError):
        raise UserError(f"{path}: '{plane}', the group {PLANE}, is not a number.") from None
    try:
        values = [float(row[column] or "nan") for column in NUMBERS]
    except ValueError:
        raise UserError(f"{path}: score, expected_level and certainty must be numbers.") from None
    file, frame = row["image"], "0"
    if row.get("file"):
        file, frame = row["file"], row.get("frame", "")
    return MeasuredPlane(row["image"], file, Path(row["folder"]), frame, position, *values)


def _refuse_repeats(stack: Stack) -> None:
    for before, after in zip(stack.planes, stack.planes[1:]):
        if before.number == after.number:
            raise UserError(
                f"{before.image} and {after.image} are both plane {after.number:g} of the stack "
                f"{stack.name}: add a group for what differs, such as the channel."
            )


def write_best_planes(path: Path, stacks: Sequence[Stack], certain_from: float) -> None:
    """Write best_planes.csv with one row per stack; see :meth:`Stack.in_focus`."""
    columns = ["planes", "best_image", "best_plane", *NUMBERS, "weighted_level", "any_in_focus"]
    with csv_table(path, [*stacks[0].tags, *columns]) as rows:
        for stack in stacks:
            best = stack.best_plane
            values = [best.number, best.score, best.expected_level, best.certainty]
            values.append(stack.weighted_levels[stack.best])
            in_focus = int(stack.in_focus(certain_from))
            row = [len(stack.planes), best.image, *map(number, values), in_focus]
            rows.writerow([*stack.tags.values(), *row])


def write_load_data(path: Path, stacks: Sequence[Stack], image_name: str) -> List[MeasuredPlane]:
    """Write the table by which CellProfiler's LoadData opens the best planes.

    Parameters
    ----------
    path : Path
    stacks : list of Stack
    image_name : str
        CellProfiler's name of the image.

    Returns
    -------
    list of MeasuredPlane
        Best planes that are missing because CellProfiler cannot open them.
    """
    best = [stack.best_plane for stack in stacks]
    frames = [f"Frame_{image_name}"] if any(plane.file != plane.image for plane in best) else []
    names = [f"Image_{kind}_{image_name}" for kind in ("FileName", "PathName")]
    tags = [f"Metadata_{tag}" for tag in (*stacks[0].tags, PLANE)]
    with csv_table(path, [*names, *frames, *tags]) as rows:
        for stack, plane in zip(stacks, best):
            if plane.frame:
                frame = [plane.frame] if frames else []
                position = [*stack.tags.values(), number(plane.number)]
                rows.writerow([plane.file, plane.folder, *frame, *position])
    return [plane for plane in best if not plane.frame]


def draw_levels(path: Path, stacks: Sequence[Stack], certain_from: float) -> None:
    """Draw the expected level of each plane, one row per stack, and mark the best planes.

    Parameters
    ----------
    path : Path
    stacks : list of Stack
    certain_from : float
        The mark is filled if :meth:`Stack.in_focus` is true.
    """
    numbers = np.unique([plane.number for stack in stacks for plane in stack.planes])
    levels = np.full((len(stacks), len(numbers)), np.nan)
    figure = Figure(figsize=(6.4, 1.6 + 0.24 * len(stacks)), constrained_layout=True)
    axes = figure.add_subplot(xlabel="Plane", title="Dot: best plane; filled: one is in focus")
    for row, stack in enumerate(stacks):
        columns = np.searchsorted(numbers, [plane.number for plane in stack.planes])
        levels[row, columns] = [plane.expected_level for plane in stack.planes]
        face = "white" if stack.in_focus(certain_from) else "none"
        axes.scatter(columns[stack.best], row, s=30, facecolors=face, edgecolors="white", zorder=2)
    drawn = axes.imshow(levels, cmap="viridis", vmin=0, vmax=LEVELS - 1, aspect="auto")
    shown = np.unique(np.linspace(0, len(numbers) - 1, 12).astype(int))
    axes.set_xticks(shown)
    axes.set_xticklabels([f"{numbers[index]:g}" for index in shown])
    axes.set_yticks(range(len(stacks)))
    axes.set_yticklabels([stack.name for stack in stacks], size=7)
    figure.colorbar(drawn, label="Expected level (0 in focus)")
    save_figure(figure, path)
