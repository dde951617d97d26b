"""Options, each declared once: checks, command lines and CellProfiler settings are made from it."""

import dataclasses
import math
import numbers
from typing import Any, Iterator, Optional, Tuple

from micrograph_networks.errors import UserError

METADATA_KEY = "option"
"""Under which a dataclass field keeps what is declared of it."""


@dataclasses.dataclass(frozen=True)
class Option:
    """What is declared of an option.

    Attributes
    ----------
    label : str
        What people call it: the text of the setting, and the subject of complaints.
    help : str
        A sentence or two.
    details : str
        More of it for the help of the setting, in reStructuredText.
    kind : type
        bool, int, float or str.
    minimum, maximum : float, optional
        The range, both ends included; unlimited by default.
    unit : str
        Of the value, such as ``pixels``.
    choices : tuple of str
        All values of a str.
    absent : str
        What is done where the option is None; empty if None is no value of it.
    suggested : float, optional
        The value that a setting shows where the option is None by default.
    flag : str
        Its name on the command line where that is not the field's.
    """

    label: str
    help: str
    details: str = ""
    kind: type = bool
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    unit: str = ""
    choices: Tuple[str, ...] = ()
    absent: str = ""
    suggested: Optional[float] = None
    flag: str = ""

    @property
    def subject(self) -> str:
        """The label as the subject of a sentence."""
        return self.label.rstrip("?")

    @property
    def range(self) -> str:
        """The range in words, such as ``1 to 84``; empty where there is none."""
        if self.minimum is None:
            return ""
        return f"{self.minimum} {'or more' if self.maximum is None else f'to {self.maximum}'}"


def option(default: Any, label: str, help: str, **declared: Any) -> Any:
    """Declare an option as a field of a dataclass.

    Parameters
    ----------
    default : bool, int, float, str or None
        Its type is the option's kind, unless that is declared.
    label, help : str
    **declared
        Further attributes of :class:`Option`.

    Returns
    -------
    dataclasses.Field
    """
    declared.setdefault("kind", type(default))
    return dataclasses.field(
        default=default, metadata={METADATA_KEY: Option(label, help, **declared)}
    )


def declared_options(dataclass: Any) -> Iterator[Tuple[str, Any, Option]]:
    """Name, default and declaration of every option of a dataclass or of one of its instances.

    Yields
    ------
    (str, object, Option)
    """
    for field in dataclasses.fields(dataclass):
        if METADATA_KEY in field.metadata:
            yield field.name, field.default, field.metadata[METADATA_KEY]


class Checked:
    """Base of dataclasses whose options are checked when an instance is made."""

    def __post_init__(self) -> None:
        """Raise UserError, a sentence with the option's label, where a value is none of it."""
        for name, _, declared in declared_options(self):
            value = getattr(self, name)
            if value is None and declared.absent:
                continue
            wrong = _fault(value, declared)
            if wrong:
                raise UserError(f"{declared.subject} must {wrong}, not {value}.")


def _fault(value: Any, declared: Option) -> str:
    """What the value must be; empty where it is."""
    if declared.kind is bool:
        return "" if isinstance(value, bool) else "be True or False"
    if declared.choices:
        return "" if value in declared.choices else f"be {' or '.join(declared.choices)}"
    if declared.kind is int and not isinstance(value, numbers.Integral):
        return f"be a whole number of {declared.range}"
    low = -math.inf if declared.minimum is None else declared.minimum
    high = math.inf if declared.maximum is None else declared.maximum
    # Infinity is refused as NaN is.
    number = float(value) if isinstance(value, numbers.Real) else math.nan
    inside = low <= number <= high and math.isfinite(number)
    return "" if inside else f"lie in {declared.range}"
