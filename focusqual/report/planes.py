"""The plane in focus of each stack of a focus.csv."""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Pattern, Sequence, Tuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from focusqual.inference.stacks import best_focus, weighted_level
from focusqual.levels import LEVELS
from focusqual.report.measurements import MAXIMUM, NO_NUMBER, NUMBERS
from focusqual.report.paths import relative_paths
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number, read_csv
from micrograph_networks.plotting import literal, save_figure

PLANE = "Plane"
"""Group of the pattern that numbers the planes; the other groups identify the stack."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
Z = "stage_z_um"
"""Optional column of the position of a plane in micrometers."""
COLUMNS = ("image", "folder", *NUMBERS)
"""Required columns of focus.csv."""
MEASURED = (*NUMBERS, "weighted_level")
"""Values of a plane."""
FOCUS = tuple(f"focus_{unit}{end}" for unit in ("plane", "um") for end in ("", "_error"))
"""Best focus between planes and its standard error."""
BEST_COLUMNS = ("planes", "best_image", "best_plane", *MEASURED, *FOCUS, "any_in_focus")
"""Columns of best_planes.csv after the groups of the pattern."""
IN_FOCUS_SCORE = 1
"""Maximum score of a plane in focus."""
MOST_LABELS = 200
"""Maximum number of stacks that are named in planes.png."""


@dataclass(frozen=True)
class Stack:
    """A stack of planes.

    Attributes
    ----------
    tags : dict of str to str
        Groups of the pattern, which are the same for all planes.
    planes : DataFrame
        One row per plane, sorted by ``number``: ``image``, the path of the plane relative to the
        folder of all images; ``folder`` and ``file`` that contain it; ``frame``, the number by
        which CellProfiler opens it, empty if there is none; ``plane``, the text of the number;
        ``z_um``, its position in micrometers, NaN if unknown;
        ``score``, ``expected_level``, ``certainty`` and ``weighted_level``, see
        :func:`focusqual.inference.stacks.weighted_level`, NaN if it was not measured.
    """

    tags: Dict[str, str]
    planes: pd.DataFrame

    @property
    def name(self) -> str:
        """The joined tags."""
        return " ".join(self.tags.values())

    @cached_property
    def best_plane(self) -> Any:
        """Row of the plane most in focus, or None if no plane was measured."""
        levels = self.planes["weighted_level"]
        return self.planes.iloc[levels.fillna(LEVELS).argmin()] if levels.notna().any() else None

    def around_best(self, count: int) -> pd.DataFrame:
        """Rows of the best plane and of up to ``count`` planes on each side of it, in order."""
        if self.best_plane is None:
            return self.planes[:0]
        best = self.best_plane.name
        return self.planes[max(best - count, 0) : best + count + 1]

    def in_focus(self, certain_from: float) -> bool:
        """Return True if a plane has a score of 0 or 1 and at least this certainty."""
        in_focus = self.planes["score"] <= IN_FOCUS_SCORE
        return bool((in_focus & (self.planes["certainty"] >= certain_from)).any())


def compile_pattern(text: str) -> Pattern[str]:
    """Compile a regular expression with named groups, as in CellProfiler's Metadata module.

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
        The table is not a focus.csv or contains an invalid number, no image matches, a plane is not
        a number, or two images are the same plane.
    """
    rows = read_csv(table, COLUMNS, "a focus.csv of 'focusqual predict' of this version")
    members: Dict[Tuple[str, ...], List[Dict[str, Any]]] = {}
    others = []
    names = relative_paths((row["folder"] for row in rows), (row["image"] for row in rows))
    for row, name in zip(rows, names):
        path = Path(row["folder"], row["image"]).as_posix()
        match = pattern.search(path)
        if match:
            tags = [value or "" for name, value in match.groupdict().items() if name != PLANE]
            members.setdefault(tuple(tags), []).append(_plane(row, path, name, match[PLANE]))
        else:
            others.append(path)
    if not members:
        raise UserError(f"'{pattern.pattern}' matches no path in {table}, such as {others[0]}.")
    groups = [name for name in pattern.groupindex if name != PLANE]
    return [_stack(dict(zip(groups, tags)), planes) for tags, planes in members.items()], others


def _plane(row: Dict[str, str], path: str, name: str, plane: str) -> Dict[str, Any]:
    if not NUMBER.fullmatch(plane or ""):
        raise UserError(f"{path}: '{plane}', the group {PLANE}, is not a number.")
    values = {column: _number(path, column, row[column]) for column in NUMBERS}
    for column, value in values.items():
        if value < 0 or value > MAXIMUM[column]:
            raise UserError(f"{path}: its {column} is not between 0 and {MAXIMUM[column]}.")
    values["z_um"] = _number(path, Z, row.get(Z, ""))
    file, frame = row["image"], "0"
    if row.get("file"):
        file, frame = row["file"], row.get("frame", "")
    names = {"image": name, "folder": Path(row["folder"]), "file": file, "frame": frame}
    return {**names, "plane": plane, "number": float(plane), **values}


def _number(path: str, column: str, text: str) -> float:
    """Return the number in a cell, NaN if it is missing."""
    if text.strip().lower() in NO_NUMBER:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{path}: its {column}, '{text}', is not a number.") from None


def _stack(tags: Dict[str, str], rows: List[Dict[str, Any]]) -> Stack:
    planes = pd.DataFrame(rows).sort_values("number", kind="stable", ignore_index=True)
    planes["weighted_level"] = weighted_level(planes["expected_level"], planes["certainty"])
    stack = Stack(tags, planes)
    repeated = planes[planes["number"].duplicated(keep=False)]
    if len(repeated):
        first, second = repeated["image"][:2]
        raise UserError(
            f"{first} and {second} are both plane {repeated['plane'].iloc[0]} of the stack "
            f"{stack.name}: add a group for what differs, such as the channel."
        )
    return stack


def write_best_planes(path: Path, stacks: Sequence[Stack], certain_from: float) -> None:
    """Write best_planes.csv with one row per stack; see :meth:`Stack.in_focus`.

    ``focus_plane`` and ``focus_um`` are the best focus between planes, see
    :func:`focusqual.inference.stacks.best_focus`. Unknown values are empty.
    """
    with csv_table(path, [*stacks[0].tags, *BEST_COLUMNS]) as rows:
        for stack in stacks:
            best = stack.best_plane
            values = [""] * (len(BEST_COLUMNS) - 2)
            if best is not None:
                numbers = [best[name] for name in MEASURED]
                for positions in ("number", "z_um"):
                    numbers += best_focus(*stack.planes[[positions, "weighted_level"]].to_numpy().T)
                values = [best.image, best.plane, *map(number, numbers)]
            in_focus = int(stack.in_focus(certain_from))
            rows.writerow([*stack.tags.values(), len(stack.planes), *values, in_focus])


def write_load_data(
    path: Path, stacks: Sequence[Stack], image_name: str, around: int = 0
) -> List[Any]:
    """Write the table by which CellProfiler's LoadData opens the best planes as ``image_name``.

    Stacks without a measured plane are omitted. Up to ``around`` planes on each side of each best
    plane are included.

    Returns
    -------
    list
        Rows of the planes that are missing because CellProfiler cannot open them.
    """
    best = [(stack, plane) for stack in stacks for plane in stack.around_best(around).itertuples()]
    in_files = any(plane.file != PurePosixPath(plane.image).name for _, plane in best)
    frames = [f"Frame_{image_name}"] if in_files else []
    names = [f"Image_{kind}_{image_name}" for kind in ("FileName", "PathName")]
    tags = [f"Metadata_{tag}" for tag in (*stacks[0].tags, PLANE)]
    with csv_table(path, [*names, *frames, *tags]) as rows:
        for stack, plane in best:
            if plane.frame:
                frame = [plane.frame] if frames else []
                position = [*stack.tags.values(), plane.plane]
                rows.writerow([plane.file, plane.folder, *frame, *position])
    return [plane for _, plane in best if not plane.frame]


def draw_levels(path: Path, stacks: Sequence[Stack], certain_from: float) -> None:
    """Draw the expected level of each plane, one row per stack, and mark the best planes.

    A mark is filled if :meth:`Stack.in_focus` is true.
    """
    levels = pd.DataFrame(
        [stack.planes.set_index("number")["expected_level"] for stack in stacks]
    ).sort_index(axis=1)
    height = 1.6 + 0.24 * min(len(stacks), MOST_LABELS)
    figure = Figure(figsize=(6.4, height), constrained_layout=True)
    axes = figure.add_subplot(xlabel="Plane", title="Dot: best plane; filled: one is in focus")
    drawn = axes.imshow(levels, cmap="viridis", vmin=0, vmax=LEVELS - 1, aspect="auto")
    for in_focus, face in ((True, "white"), (False, "none")):
        marked = [
            (levels.columns.get_loc(stack.best_plane.number), row)
            for row, stack in enumerate(stacks)
            if stack.best_plane is not None and stack.in_focus(certain_from) == in_focus
        ]
        columns, rows = np.reshape(marked, (-1, 2)).T
        axes.scatter(columns, rows, s=30, facecolors=face, edgecolors="white")
    shown = np.unique(np.linspace(0, levels.shape[1] - 1, 12).astype(int))
    axes.set_xticks(shown)
    axes.set_xticklabels([f"{plane:.15g}" for plane in levels.columns[shown]])
    named = np.unique(np.linspace(0, len(stacks) - 1, MOST_LABELS).astype(int))
    axes.set_yticks(named)
    axes.set_yticklabels([literal(stacks[row].name) for row in named], size=7)
    figure.colorbar(drawn, label="Expected level (0 in focus)")
    save_figure(figure, path)
