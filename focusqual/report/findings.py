"""The audit of plates in words, and its files.

NumPy and SciPy only, because CellProfiler's application has nothing else.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np

from focusqual.report.audit import FAILURE, Estimate, PlateAudit
from focusqual.report.surface import BOW, DRIFT, END, OFFSET, TILT
from focusqual.report.verdicts import BLANK, NOT_MEASURED
from focusqual.report.wells import ROWS
from micrograph_networks.files.tables import csv_table, number
from micrograph_networks.files.writing import atomic_write

AUDIT_COLUMNS = ("plate", "well", "site", "image", "defocus", "residual", "verdict")
"""Columns of audit.csv."""
AUDIT_FILES = ("audit.csv", "audit.json", "image_again.csv")
"""Files that :func:`write_audit` writes."""
NO_PATTERN = "No pattern: neither a tilt, bow, offset or drift nor a single failure stands out."
NAMED = 12
"""Maximum number of failures that a sentence names."""
OTHER_WAY = "; if this makes it worse, move it the other way"
WHOLE_LINE = 3
"""Minimum number of failures for a row or column of wells to be named."""


def sentences(found: PlateAudit, unit: str, images: Mapping[str, Any]) -> List[str]:
    """Return the findings about a plate, each with what to do about it; empty without a pattern.

    Parameters
    ----------
    found : PlateAudit
    unit : str
        ``um`` or ``levels``.
    images : mapping of str to array, or DataFrame
        Table that was audited, with the further column ``site_name``.
    """
    if found.problem:
        return [found.problem]
    tilt, bow, offset, drift = (found.values[part] for part in (TILT, BOW, OFFSET, DRIFT))
    told = []
    if tilt:
        told.append(
            f"The plate is tilted by {_text(tilt, unit)} from {found.ends[0]} to {found.ends[1]}; "
            f"{_side(found, tilt, f'the stage is too high at {found.ends[1]}')}. Level the stage "
            "insert and seat the plate flat."
        )
    if bow:
        told.append(
            f"The plate is bowed by {_text(bow, unit)} from its center to its corners; "
            f"{_side(found, bow, 'the stage is too {} in the corners')}. Let the autofocus run in "
            "every well, or use plates with a flatter bottom."
        )
    if drift:
        told.append(
            f"The focus drifts by {_text(drift, f'{unit} per hour')}; "
            f"{_side(found, drift, 'the stage gets too {}')}. Let the "
            "microscope warm up before the plate, and let the autofocus run more often."
        )
    if offset:
        what = "The middle of the surface" if tilt or bow or drift else "The whole plate"
        least = "at least " if abs(offset.value) > 0.95 * END * found.level else ""
        told.append(
            f"{what} is {least}{_text(offset, unit)} off; "
            f"{_side(found, offset, 'the stage is too {}')}. Move the autofocus offset by about "
            f"{_rounded(abs(offset.value))} {unit}{'' if found.signed else OTHER_WAY}."
        )
    return told + _failures(found, images)


def _side(found: PlateAudit, estimate: Estimate, text: str) -> str:
    """Return a text with "high" or "low" for the sign of a value, or that it is unknown."""
    if not found.signed:
        return "the sign is unknown"
    return text.format("high" if estimate.value > 0 else "low")


def _text(estimate: Estimate, unit: str) -> str:
    value, low, high = estimate if estimate.value > 0 else [-x for x in estimate]
    low, high = sorted((low, high))
    return f"{_rounded(value)} {unit} ({_rounded(low)} to {_rounded(high)})"


def _rounded(value: float) -> str:
    """Return two digits of a number, 120 rather than 1.2e+02."""
    return f"{float(f'{value:.2g}'):g}"


def _failures(found: PlateAudit, images: Mapping[str, Any]) -> List[str]:
    rows = found.rows[found.verdict == FAILURE]
    if not len(rows):
        return []
    names = [_site(images, row) for row in rows[:NAMED]]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    sites = "1 single site" if len(rows) == 1 else f"{len(rows)} single sites"
    told = f"Autofocus failed at {sites}: {', '.join(names)}{more}."
    lines = [f"row {ROWS[line]}" for line in _whole_lines(found, images, "row")]
    lines += [f"column {line + 1}" for line in _whole_lines(found, images, "col")]
    if lines:
        told += f" All of {' and '.join(lines)} failed: look for a cause there, such as dispensing."
    return [f"{told} Image {'it' if len(rows) == 1 else 'them'} again."]


def _site(images: Mapping[str, Any], row: int) -> str:
    well, site = images["well"][row], images["site_name"][row]
    return f"{well} site {site}" if site else str(well or images["image"][row])


def _whole_lines(found: PlateAudit, images: Mapping[str, Any], column: str) -> List[int]:
    """Return the rows or columns of wells of which all images failed, but for blank ones."""
    shown = ~np.isin(found.verdict, (BLANK, NOT_MEASURED))
    line = np.asarray(images[column])[found.rows[shown]]
    failed = found.verdict[shown] == FAILURE
    return [
        int(one)
        for one in np.unique(line[line >= 0])
        if failed[line == one].all() and (line == one).sum() >= WHOLE_LINE
    ]


def summary(audits: Sequence[PlateAudit], unit: str, images: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the content of audit.json."""
    plates = {}
    for found in audits:
        values = {
            part: value and {name: round(x, 4) for name, x in value._asdict().items()}
            for part, value in found.values.items()
        }
        plates[found.plate] = {
            "findings": sentences(found, unit, images),
            **values,
            "failures": int((found.verdict == FAILURE).sum()),
            "images": len(found.rows),
        }
    return {"unit": unit, "plates": plates}


def write_audit(
    folder: Path,
    audits: Sequence[PlateAudit],
    unit: str,
    images: Mapping[str, Any],
    image_name: str,
) -> None:
    """Write AUDIT_FILES.

    Parameters
    ----------
    folder : Path
    audits, unit
        Result of :func:`focusqual.report.audit.audit`.
    images : mapping of str to array, or DataFrame
        Table that was audited, with the further columns ``image``, ``site_name``, ``folder``,
        ``file`` and ``frame``.
    image_name : str
        Name of the images for CellProfiler's LoadData.
    """
    with atomic_write(folder / "audit.json") as temporary:
        text = json.dumps(summary(audits, unit, images), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    with csv_table(folder / "audit.csv", AUDIT_COLUMNS) as table:
        for found in audits:
            residual = found.defocus - found.expected
            for row, *values in zip(found.rows, found.defocus, residual, found.verdict):
                names = [images[name][row] for name in ("plate", "well", "site_name", "image")]
                table.writerow([*names, number(values[0]), number(values[1]), values[2]])
    write_load_data(folder / "image_again.csv", audits, images, image_name)


def write_load_data(
    path: Path, audits: Sequence[PlateAudit], images: Mapping[str, Any], image_name: str
) -> None:
    """Write the failures as a table for LoadData, without columns that are empty.

    The parameters are those of :func:`write_audit`.
    """
    names = {
        "file": f"Image_FileName_{image_name}",
        "folder": f"Image_PathName_{image_name}",
        "frame": f"Frame_{image_name}",
        "plate": "Metadata_Plate",
        "well": "Metadata_Well",
        "site_name": "Metadata_Site",
    }
    used = [name for name in names if (np.asarray(images[name]) != "").any()]
    with csv_table(path, [names[name] for name in used]) as table:
        for found in audits:
            for row in found.rows[found.verdict == FAILURE]:
                table.writerow([images[name][row] for name in used])
