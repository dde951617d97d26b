"""Audit of the plates in a table of measurements."""

from typing import Dict, List, Tuple

import numpy as np
import pandas as pd

from focusqual.report.audit import FAILURE, PlateAudit, audit
from focusqual.report.findings import NO_PATTERN, sentences
from focusqual.report.options import Thresholds
from focusqual.report.verdicts import verdicts
from micrograph_networks.errors import UserError

SURFACE_LEVEL, IS_FAILURE = "surface_level", "is_failure"
"""Columns of :func:`audit_for_page`."""


def audit_images(
    images: pd.DataFrame, thresholds: Thresholds
) -> Tuple[str, List[PlateAudit], pd.DataFrame]:
    """Audit measurements; the channels of a plate are audited as plates of their own.

    Returns
    -------
    str, list of PlateAudit
        See :func:`focusqual.report.audit.audit`.
    DataFrame
        The images with their verdicts, and with the channel in ``plate`` if there are several.
    """
    judged = images.assign(verdict=verdicts(images, thresholds))
    if images["channel"].nunique() > 1:
        judged["plate"] = (images["plate"] + " " + images["channel"]).str.strip()
    return (*audit(judged), judged)


def audit_for_page(
    images: pd.DataFrame, thresholds: Thresholds
) -> Tuple[pd.DataFrame, Dict[str, List[str]]]:
    """Return images with the level of their surface, and the findings about each plate.

    ``surface_level`` is NaN, and ``is_failure`` False, where no surface was fitted.
    """
    surface, failed = np.full(len(images), np.nan), np.zeros(len(images), bool)
    findings = {}
    try:
        unit, audits, judged = audit_images(images, thresholds)
    except UserError as error:
        audits, findings[""] = [], [str(error)]
    for found in audits:
        surface[found.rows] = (found.expected / found.level).round(2)
        failed[found.rows] = found.verdict == FAILURE
        findings[found.plate] = sentences(found, unit, judged) or [NO_PATTERN]
    return images.assign(**{SURFACE_LEVEL: surface, IS_FAILURE: failed}), findings
