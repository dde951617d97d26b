"""The page on which a person accepts or rejects the objects of a class."""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.pages import write_page
from micrograph_networks.files.tables import read_csv
from segment.report.records import ImageRecord
from segment.report.slides import DECISIONS, Key, key_of

TEMPLATE = Path(__file__).with_name("review.html")
DECISION_COLUMNS = ("run", "folder", "image", "object_number", "decision")
"""Columns of the table that the page saves."""
WINDOW_SHARE = 0.25
"""Side of a crop as a share of the longer side of the typical image."""


def write_review(
    path: Path,
    records: Sequence[ImageRecord],
    class_name: str,
    title: str,
    decisions: Mapping[Key, str],
    note: str = "",
) -> None:
    """Write the page. The pictures of the records must lie beside it.

    Parameters
    ----------
    path : Path
    records : sequence of ImageRecord
    class_name : str
        Name of the class of the objects.
    title : str
    decisions : mapping of Key to str
        Decisions to start from.
    note : str
        Sentence for the top of the page.

    Raises
    ------
    UserError
        The page cannot be written.
    """
    images: List[Dict[str, Any]] = []
    initial = []
    for record in records:
        images.append(record.to_json())
        initial.append([decisions.get(key_of(record, one), "") for one in record.candidates])
    sides = [max(record.width, record.height) for record in records]
    data = {
        "run": run_of(records),
        "class": class_name,
        "images": images,
        "decisions": initial,
        "columns": DECISION_COLUMNS,
        "choices": DECISIONS,
        "note": note,
        "window": round(WINDOW_SHARE * float(np.median(sides))),
    }
    write_page(path, TEMPLATE, title, data)


def run_of(records: Sequence[ImageRecord]) -> str:
    """Return text that tells these objects from those of another run."""
    content = [
        [record.folder, record.name, [[one.number, one.x, one.y] for one in record.candidates]]
        for record in records
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def read_decisions(path: Optional[Path], records: Sequence[ImageRecord]) -> Dict[Key, str]:
    """Read the decisions that the page saved; none without a path.

    Parameters
    ----------
    path : Path, optional
    records : sequence of ImageRecord
        Images and objects of the page.

    Raises
    ------
    UserError
        The file is unusable, or its decisions are about the objects of another run.
    """
    if path is None:
        return {}
    rows = read_csv(path, DECISION_COLUMNS, "a decisions.csv that the page saved")
    found = {(row["folder"], row["image"], row["object_number"]): row["decision"] for row in rows}
    known = {key_of(record, one) for record in records for one in record.candidates}
    if {row["run"] for row in rows} != {run_of(records)} or not known.issuperset(found):
        raise UserError(
            f"{path} holds decisions about the objects of another run: review the page of this "
            "run, or give the folder that the page was made of."
        )
    wrong = [decision for decision in found.values() if decision not in DECISIONS]
    if wrong:
        raise UserError(f"{path} holds '{wrong[0]}': a decision is {' or '.join(DECISIONS)}.")
    return found
