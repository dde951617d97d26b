"""Options, each declared once: checks, command lines and CellProfiler settings are made from it."""

import dataclasses
import math
import numbers
from typing import Any, Iterator, Optional, Tuple

import numpy as np

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
        The value that a setting shows where the default is None.
    flag : str
        Its name on the command line where that is not the field's.
    used_if : (str, str), optional
        Another option and the choice of it for which alone this one matters. Where it matters it
        has to be given if its default is None; elsewhere it stays at its default.
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
    used_if: Optional[Tuple[str, str]] = None

    @property
    def demand(self) -> str:
        """What a value must be, in words, such as ``a whole number from 1 to 84``."""
        if self.kind is bool:
            return "True or False"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        number = "a whole number" if self.kind is int else "a number"
        if self.minimum is None:
            return number if self.maximum is None else f"{number} of {self.maximum} or less"
        if self.maximum is None:
            return f"{number} of {self.minimum} or more"
        return f"{number} from {self.minimum} to {self.maximum}"

    def allows(self, value: Any) -> bool:
        """Whether a value is one of the option's; infinity is none, as NaN is."""
        if value is None:
            return bool(self.absent)
        if self.kind is bool or isinstance(value, (bool, np.bool_)):
            return self.kind is bool and isinstance(value, (bool, np.bool_))
        if self.choices:
            return value in self.choices
        if not isinstance(value, numbers.Integral if self.kind is int else numbers.Real):
            return False
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return low <= float(value) <= high and math.isfinite(float(value))


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
        labels = {name: declared.label for name, _, declared in declared_options(self)}
        for name, default, declared in declared_options(self):
            value = getattr(self, name)
            other, choice = declared.used_if or ("", "")
            if other and getattr(self, other) != choice:
                if value != default:
                    raise UserError(
                        f"'{declared.label}' is used only where '{labels[other]}' is {choice}: "
                        "choose that, or leave it out."
                    )
            elif value is None and not declared.absent:
                raise UserError(f"'{declared.label}' has to be given: {declared.demand}.")
            elif not declared.allows(value):
                raise UserError(f"'{declared.label}' must be {declared.demand}, not {value}.")
