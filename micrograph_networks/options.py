"""Declarations of options.

Each option is declared once, as a field of a dataclass. Its check, its option on the command line
and its setting in CellProfiler are made from the declaration.
"""

import dataclasses
import math
import numbers
from typing import Any, Iterator, Optional, Tuple

import numpy as np

from micrograph_networks.errors import UserError

METADATA_KEY = "option"
"""Key of the declaration in the metadata of a dataclass field."""


@dataclasses.dataclass(frozen=True)
class Option:
    """Declaration of an option.

    Attributes
    ----------
    label : str
        Name for users: the text of the setting, and the subject of error messages.
    help : str
        One or two sentences.
    details : str
        More help for the setting in CellProfiler, in reStructuredText.
    kind : type
        bool, int, float or str.
    minimum, maximum : float, optional
        Range of the value, including both; None for no limit.
    choices : tuple of str
        All values of a str.
    shown : tuple of str
        Texts of the choices in CellProfiler, if words on the command line say too little.
    absent : str
        Meaning of None; empty if None is not allowed.
    suggested : float, optional
        Value that the setting shows if the default is None.
    entered : str
        Text of the setting for the value if the default is None, such as ``Diameter in pixels``.
    flag : str
        Name on the command line if it differs from the name of the field.
    used_if : (str, str), optional
        Name of another option and the choice of it for which this option is used. With that choice
        the option must be given if its default is None; otherwise it must keep its default.
    """

    label: str
    help: str
    details: str = ""
    kind: type = bool
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: Tuple[str, ...] = ()
    shown: Tuple[str, ...] = ()
    absent: str = ""
    suggested: Optional[float] = None
    entered: str = ""
    flag: str = ""
    used_if: Optional[Tuple[str, str]] = None

    @property
    def demand(self) -> str:
        """Description of the valid values, such as ``a whole number from 1 to 84``."""
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
        """Return True if the value is valid for this option. NaN and infinity are not."""
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
        Default. Its type is the option's kind, unless ``kind`` is given.
    label, help : str
    **declared
        Further attributes of :class:`Option`.
    """
    declared.setdefault("kind", type(default))
    return dataclasses.field(
        default=default, metadata={METADATA_KEY: Option(label, help, **declared)}
    )


def declared_options(dataclass: Any) -> Iterator[Tuple[str, Any, Option]]:
    """Yield name, default and declaration of every option of a dataclass or its instance."""
    for field in dataclasses.fields(dataclass):
        if METADATA_KEY in field.metadata:
            yield field.name, field.default, field.metadata[METADATA_KEY]


class Checked:
    """Base class of dataclasses whose options are checked when an instance is created."""

    def __post_init__(self) -> None:
        """Raise UserError with the option's label if a value is not valid."""
        labels = {name: declared.label for name, _, declared in declared_options(self)}
        for name, default, declared in declared_options(self):
            value = getattr(self, name)
            other, choice = declared.used_if or ("", "")
            if other and getattr(self, other) != choice:
                if value != default:
                    raise UserError(
                        f"'{declared.label}' is used only if '{labels[other]}' is {choice}: "
                        "choose that, or leave it out."
                    )
            elif value is None and not declared.absent:
                raise UserError(f"'{declared.label}' has to be given: {declared.demand}.")
            elif not declared.allows(value):
                raise UserError(f"'{declared.label}' must be {declared.demand}, not {value}.")
