"""The plane in focus of each stack of a focus.csv."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Pattern, Sequence, Tuple

import numpy as np
from matplotlib.figure import Figure

from focusqual.inference.stacks import rank_planes, weighted_level
from focusqual.levels import LEVELS
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number, read_csv
from micrograph_networks.plotting import save_figure

PLANE = "Plane"
"""The group of the pattern that numbers the planes; the others tell the stack."""
COLUMNS = ("image", "folder", "score", "expected_level", "certainty")
"""Of focus.csv, that are needed."""
IN_FOCUS_SCORE = 1
"""Highest score of a plane in focus."""


@dataclass(frozen=True)
class RatedPlane:
    """A measured plane.

    Attributes
    ----------
    image, file : str
        Its name, and that of the file in which it lies, which may be the same.
    folder : Path
    frame : str
        Number by which CellProfiler opens it in its file; empty if there is none.
    number : float
        Its place in the stack.
    score, expected_level, certainty : float
        NaN where it could not be measured.
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
    """The planes of a stack.

    Attributes
    ----------
    tags : dict of str to str
        What the pattern's groups found, which is the same for all planes.
    planes : list of RatedPlane
        By their numbers.
    """

    tags: Dict[str, str]
    planes: List[RatedPlane]

    @property
    def name(self) -> str:
        """The tags, joined."""
        return " ".join(self.tags.values())

    @cached_property
    def expected_levels(self) -> np.ndarray:
        """Of the planes, float (planes,)."""
        return np.array([plane.expected_level for plane in self.planes])

    @cached_property
    def certainties(self) -> np.ndarray:
        """Of the planes, float (planes,)."""
        return np.array([plane.certainty for plane in self.planes])

    @cached_property
    def best(self) -> int:
        """Which plane is most in focus, by :func:`focusqual.inference.stacks.rank_planes`."""
        return int(np.argmin(rank_planes(self.expected_levels, self.certainties)))

    @property
    def best_plane(self) -> RatedPlane:
        """The one that is most in focus."""
        return self.planes[self.best]

    def in_focus(self, certain_from: float) -> bool:
        """Whether any plane is in focus: a score of 0 or 1 that is not too uncertain."""
        return any(
            plane.score <= IN_FOCUS_SCORE and plane.certainty >= certain_from
            for plane in self.planes
        )


def compile_pattern(text: str) -> Pattern[str]:
    """Compile the regular expression that tells stacks and planes apart.

    Parameters
    ----------
    text : str
        In Python's syntax, with named groups, as in CellProfiler's Metadata module.

    Returns
    -------
    re.Pattern

    Raises
    ------
    UserError
        It is none, or has no group Plane, or no other one.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"'{text}' is no regular expression: {error}.") from None
    if PLANE not in pattern.groupindex or len(pattern.groupindex) < 2:
        raise UserError(
            f"'{text}' needs a group (?P<{PLANE}>...), and at least one more with a name, which "
            "tells the stack."
        )
    return pattern


def read_stacks(table: Path, pattern: Pattern[str]) -> Tuple[List[Stack], List[str]]:
    """Read a focus.csv and divide its images into stacks.

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
        Paths that the pattern does not find.

    Raises
    ------
    UserError
        It is no focus.csv of this version, no image matches, the plane is no number, or two images
        are the same plane.
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


def _plane(row: Dict[str, str], path: str, plane: str) -> RatedPlane:
    try:
        place = float(plane)
    except (TypeError, ValueError):
        raise UserError(f"{path}: '{plane}', the group {PLANE}, is no number.") from None
    try:
        values = [float(row[column] or "nan") for column in COLUMNS[2:]]
    except ValueError:
        raise UserError(f"{path}: score, expected_level and certainty must be numbers.") from None
    image, stack = row["image"], row.get("file")
    file, frame = (stack, row.get("frame", "")) if stack else (image, "0")
    return RatedPlane(image, file, Path(row["folder"]), frame, place, *values)


def _refuse_repeats(stack: Stack) -> None:
    for before, after in zip(stack.planes, stack.planes[1:]):
        if before.number == after.number:
            raise UserError(
                f"{before.image} and {after.image} are both plane {after.number:g} of the stack "
                f"{stack.name}: name what differs, such as the channel, in a further group."
            )


def best_columns(stacks: Sequence[Stack]) -> List[str]:
    """Of best_planes.csv."""
    return [
        *stacks[0].tags,
        *("planes", "best_image", "best_plane", "score", "expected_level", "certainty"),
        *("weighted_level", "any_in_focus"),
    ]


def best_row(stack: Stack, certain_from: float) -> List[object]:
    """The row of a stack in best_planes.csv; any_in_focus is 1 or 0."""
    plane = stack.best_plane
    weighed = weighted_level(stack.expected_levels, stack.certainties)[stack.best]
    return [
        *stack.tags.values(),
        *(len(stack.planes), plane.image, number(plane.number)),
        *map(number, (plane.score, plane.expected_level, plane.certainty, weighed)),
        int(stack.in_focus(certain_from)),
    ]


def write_load_data(path: Path, stacks: Sequence[Stack], image_name: str) -> List[RatedPlane]:
    """Write the table by which CellProfiler's LoadData opens the best planes.

    Parameters
    ----------
    path : Path
    stacks : list of Stack
    image_name : str
        What CellProfiler calls the image.

    Returns
    -------
    list of RatedPlane
        Best planes that are not in it, since CellProfiler has no number to open them by.
    """
    best = [stack.best_plane for stack in stacks]
    frames = [f"Frame_{image_name}"] if any(plane.file != plane.image for plane in best) else []
    names = [f"Image_{kind}_{image_name}" for kind in ("FileName", "PathName")]
    tags = [f"Metadata_{tag}" for tag in (*stacks[0].tags, PLANE)]
    with csv_table(path, [*names, *frames, *tags]) as rows:
        for stack, plane in zip(stacks, best):
            if plane.frame:
                frame = [plane.frame] if frames else []
                place = [*stack.tags.values(), number(plane.number)]
                rows.writerow([plane.file, plane.folder, *frame, *place])
    return [plane for plane in best if not plane.frame]


def draw_levels(path: Path, stacks: Sequence[Stack], certain_from: float) -> None:
    """Draw the expected level of every plane, a row a stack, and mark the best one.

    Parameters
    ----------
    path : Path
    stacks : list of Stack
    certain_from : float
        As in :meth:`Stack.in_focus`; the mark is filled where a plane is in focus.
    """
    places = np.unique([plane.number for stack in stacks for plane in stack.planes])
    levels = np.full((len(stacks), len(places)), np.nan)
    for row, stack in enumerate(stacks):
        columns = np.searchsorted(places, [plane.number for plane in stack.planes])
        levels[row, columns] = stack.expected_levels
    figure = Figure(figsize=(6.4, 1.6 + 0.24 * len(stacks)), constrained_layout=True)
    axes = figure.add_subplot(xlabel="Plane", title="Dot: best plane; filled: one is in focus")
    drawn = axes.imshow(levels, cmap="viridis", vmin=0, vmax=LEVELS - 1, aspect="auto")
    for wanted, face in ((True, "white"), (False, "none")):
        marks = [
            (int(np.searchsorted(places, stack.best_plane.number)), row)
            for row, stack in enumerate(stacks)
            if stack.in_focus(certain_from) == wanted
        ]
        if marks:
            axes.scatter(*np.transpose(marks), s=30, facecolors=face, edgecolors="white")
    shown = np.unique(np.linspace(0, len(places) - 1, 12).astype(int))
    axes.set_xticks(shown)
    axes.set_xticklabels([f"{places[place]:g}" for place in shown])
    axes.set_yticks(range(len(stacks)))
    axes.set_yticklabels([stack.name for stack in stacks], size=7)
    figure.colorbar(drawn, label="Expected level (0 in focus)")
    save_figure(figure, path)
