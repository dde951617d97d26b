"""Audit of the plates in a table of measurements.

NumPy and SciPy only, because CellProfiler's application has nothing else.
"""

from typing import Any, Dict, List, Mapping, NamedTuple

import numpy as np

from focusqual.report.audit import PlateAudit, audit
from focusqual.report.options import Thresholds
from focusqual.report.verdicts import verdicts


class Audited(NamedTuple):
    """Images after the audit.

    Attributes
    ----------
    unit : str
    plates : list of PlateAudit
        Result of :func:`focusqual.report.audit.audit`.
    images : dict of str to ndarray
        The images with their verdicts, and with the channel in ``plate`` if there are several.
    """

    unit: str
    plates: List[PlateAudit]
    images: Dict[str, np.ndarray]


def audit_images(images: Mapping[str, Any], thresholds: Thresholds) -> Audited:
    """Audit measurements; the channels of a plate are audited as plates of their own.

    Parameters
    ----------
    images : mapping of str to array, or DataFrame
        See :func:`focusqual.report.measurements.measurements`.
    thresholds : Thresholds

    Raises
    ------
    UserError
        No image has a position, or no plate can be audited.
    """
    judged = {name: np.asarray(images[name]) for name in images}
    judged["verdict"] = verdicts(images, thresholds)
    if len(set(judged["channel"])) > 1:
        named = zip(judged["plate"], judged["channel"])
        judged["plate"] = np.array([f"{plate} {channel}".strip() for plate, channel in named])
    return Audited(*audit(judged), judged)
