"""Pages for a browser: single HTML files with their data inside, which open without a network."""

import html
import json
import string
from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import mark
from micrograph_networks.files.writing import atomic_write

CHARTS = Path(__file__).with_name("vega.js")
"""Chart library (Vega, Vega-Lite and Vega-Embed), which setup.py makes when it builds packages."""


def write_page(path: Path, template: Path, title: str, data: Any, **parts: str) -> None:
    """Fill a template and write the page completely or not at all.

    The template is HTML with the placeholders of :class:`string.Template`: ``$title``;
    ``$software``, the mark of the program that writes; ``$data``, which belongs into a script of
    the type application/json; ``$script``, the file beside the template with the suffix .js;
    ``$charts``, the chart library, if the page has charts; and those of ``parts``.

    Parameters
    ----------
    path : Path
    template : Path
    title : str
        Any text.
    data : object
        Content of JSON, without NaN; see :func:`records`. Its texts may be anything.
    **parts : str
        HTML.

    Raises
    ------
    UserError
        The chart library is missing, or the page cannot be written.
    """
    text = template.read_text(encoding="utf-8")
    if "$charts" in text:
        parts["charts"] = _chart_library()
    page = string.Template(text).substitute(
        parts,
        title=html.escape(title),
        software=mark() or "",
        data=_escaped_json(data),
        script=template.with_suffix(".js").read_text(encoding="utf-8"),
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")


def records(columns: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the rows of a table for JSON, with None in place of NaN.

    Parameters
    ----------
    columns : mapping of str to array
        Columns of the same length.
    """
    values = [np.asarray(column).tolist() for column in columns.values()]
    return [
        {name: value if value == value else None for name, value in zip(columns, row)}
        for row in zip(*values)
    ]


def _chart_library() -> str:
    if not CHARTS.is_file():
        raise UserError(
            f"{CHARTS} is missing, so pages with charts cannot be written: unzip the release as a "
            "whole, or run 'pip install --editable .' in the clone."
        )
    return CHARTS.read_text(encoding="utf-8")


def _escaped_json(data: Any) -> str:
    """Return JSON in ASCII without characters of HTML, so that no text can end the script."""
    text = json.dumps(data, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
