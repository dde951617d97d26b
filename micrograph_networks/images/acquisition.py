"""Acquisition metadata of an image file: optics, stage position and time."""

import datetime
import math
import re
from dataclasses import dataclass, fields
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

LIMITS: Dict[str, Tuple[float, float]] = {
    "pixel_size_um": (0.001, 100),
    "numerical_aperture": (0.01, 2),
    "refractive_index": (1, 2),
    "wavelength_um": (0.1, 10),
    "stage_x_um": (-1e7, 1e7),
    "stage_y_um": (-1e7, 1e7),
    "stage_z_um": (-1e7, 1e7),
}
"""Lowest and highest plausible value of each number. Other values count as unknown."""
OPTICS = {
    "pixel_size_um": ("pixel size", " um"),
    "numerical_aperture": ("numerical aperture", ""),
    "refractive_index": ("refractive index", ""),
    "wavelength_um": ("wavelength", " um"),
}
"""Names in sentences, and units, of the values that must not contradict each other."""
TOLERANCE = 0.02
"""Largest relative difference of two values that are the same but for rounding."""
COLUMNS = (
    *("pixel_size_um", "numerical_aperture", "wavelength_um"),
    *("stage_x_um", "stage_y_um", "stage_z_um", "time"),
)
"""Table columns of an acquisition. A column without any known value is omitted."""
MICROMETERS = {
    **{"m": 1e6, "cm": 1e4, "mm": 1e3, "um": 1.0, "nm": 1e-3, "inch": 25400.0},
    **{"meter": 1e6, "centimeter": 1e4, "millimeter": 1e3, "micrometer": 1.0, "nanometer": 1e-3},
    **{"micron": 1.0, "microns": 1.0, "angstrom": 1e-4},
}
"""Units of length by their names in OME-XML, NGFF, ImageJ and MetaMorph."""
MICRO_SIGN = re.compile(r"\u00b5|\u03bc|\\u00B5", re.I)
"""Both characters for micro, and what ImageJ writes for one."""
TIME = re.compile(
    r"\s*(\d{4})-?(\d\d)-?(\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*\s*(Z|[+-]\d\d:?\d\d)?\s*"
)
"""Date, time, fraction of a second and time zone."""


@dataclass(frozen=True)
class Acquisition:
    """Acquisition metadata of an image. Unknown values are None.

    Attributes
    ----------
    pixel_size_um : float, optional
        Width of a pixel in the specimen, in micrometers. Pixels are square.
    numerical_aperture, refractive_index : float, optional
        Of the objective and of its immersion medium.
    wavelength_um : float, optional
        Wavelength of the emitted light in micrometers.
    stage_x_um, stage_y_um, stage_z_um : float, optional
        Position of the stage, or of the focus drive, in micrometers.
    time : str, optional
        ISO 8601 with milliseconds, as the clock of the microscope showed it; with the time zone
        if the file tells it.
    plate, well, site, channel : str, optional
        Names as in the file; wells such as E07.
    notes : tuple of str
        Sentences about values that contradict each other.
    """

    pixel_size_um: Optional[float] = None
    numerical_aperture: Optional[float] = None
    refractive_index: Optional[float] = None
    wavelength_um: Optional[float] = None
    stage_x_um: Optional[float] = None
    stage_y_um: Optional[float] = None
    stage_z_um: Optional[float] = None
    time: Optional[str] = None
    plate: Optional[str] = None
    well: Optional[str] = None
    site: Optional[str] = None
    channel: Optional[str] = None
    notes: Tuple[str, ...] = ()


def acquisition(found: Mapping[str, object]) -> Acquisition:
    """Return an acquisition from the values of a file by the names of its attributes.

    Numbers, which may be texts, become None outside of LIMITS; so do empty texts.
    """
    known = dict(found)
    for name, value in found.items():
        if name in LIMITS:
            known[name] = _number(name, value)
        elif name != "notes" and value is not None:
            known[name] = str(value).strip() or None
    return Acquisition(**known)  # type: ignore[arg-type]


def _number(name: str, value: object) -> Optional[float]:
    low, high = LIMITS[name]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if low <= number <= high else None


def merge(sources: Mapping[str, Acquisition]) -> Acquisition:
    """Combine what several metadata of an image say; the first source that knows a value wins.

    Parameters
    ----------
    sources : mapping of str to Acquisition
        By their names in the notes about contradictions of the OPTICS.
    """
    known: Dict[str, Any] = {}
    notes = [note for source in sources.values() for note in source.notes]
    for name in (field.name for field in fields(Acquisition) if field.name != "notes"):
        values = {source: getattr(one, name) for source, one in sources.items()}
        values = {source: value for source, value in values.items() if value is not None}
        for source, value in values.items():
            used = known.setdefault(name, value)
            if name in OPTICS and not is_same(value, used):
                label, unit = OPTICS[name]
                notes.append(
                    f"The {label} is {used:.4g}{unit} in {next(iter(values))}, which takes "
                    f"precedence, but {value:.4g}{unit} in {source}."
                )
    return Acquisition(**known, notes=tuple(notes))  # type: ignore[arg-type]


def in_common(acquisitions: Sequence[Acquisition]) -> Acquisition:
    """Return the values that all images of a file share; the others are None."""
    shared: Dict[str, Any] = {}
    for name in (field.name for field in fields(Acquisition)):
        values = {getattr(one, name) for one in acquisitions}
        if len(values) == 1:
            shared[name] = values.pop()
    return Acquisition(**shared)


def is_same(value: float, other: float) -> bool:
    """Return True if two values above 0 differ only by rounding."""
    return abs(value - other) <= TOLERANCE * value


def micrometers(value: object, unit: object) -> Optional[float]:
    """Convert a length of a file to micrometers; None if it is no number or the unit is unknown."""
    name = MICRO_SIGN.sub("u", str(unit)).strip()
    factor = MICROMETERS.get(name if len(name) < 3 else name.lower(), math.nan)
    try:
        length = float(value) * factor  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return length if math.isfinite(length) else None


def pixel_size(width: Optional[float], height: Optional[float]) -> Dict[str, object]:
    """Return pixel size and notes from the width and height of a pixel in micrometers."""
    if width and height and min(width, height) > 0 and not is_same(width, height):
        note = (
            f"The pixels are {width:.4g} um wide but {height:.4g} um high: their size is not used."
        )
        return {"notes": (note,)}
    return {"pixel_size_um": width}


def iso_time(text: object, seconds: float = 0) -> Optional[str]:
    """Return a time in ISO 8601, some seconds later; None if the text is not a date and time."""
    found = TIME.fullmatch(str(text))
    if found is None:
        return None
    year, month, day, clock, fraction, zone = found.groups()
    zone = "" if zone is None else "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[-2:]}"
    try:
        time = datetime.datetime.fromisoformat(
            f"{year}-{month}-{day}T{clock}{fraction or '.0':0<7}{zone}"
        )
        # Always with a fraction: pandas takes the format of the first time for all.
        return (time + datetime.timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError):
        return None


def known_columns(acquisitions: Iterable[Acquisition]) -> List[str]:
    """Return those of COLUMNS that are known for any of the images."""
    known = {
        column for one in acquisitions for column in COLUMNS if getattr(one, column) is not None
    }
    return [column for column in COLUMNS if column in known]


def column_values(one: Acquisition, columns: Sequence[str]) -> List[str]:
    """Return the values of some columns as texts; unknown values are empty."""
    values = [getattr(one, column) for column in columns]
    return [
        "" if value is None else value if isinstance(value, str) else f"{value:.9g}"
        for value in values
    ]
