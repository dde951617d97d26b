"""CellProfiler settings made of the options that dataclasses declare."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from cellprofiler_core.setting import Binary, Setting
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Float, Integer

from micrograph_networks.options import Option, declared_options

LEFT_TO_MODULE = "Automatic"
ENTERED = "Enter a value"
"""Choices of a setting that may be left to the module."""


class LateChoice(Choice):
    """A choice of what another setting, such as that of the model, offers.

    Parameters
    ----------
    text, value, doc : str
        As for Choice.
    offered : callable
        Gives the choices, as often as they are looked at; none where it cannot tell.
    """

    def __init__(
        self, text: str, value: str, offered: Callable[[], Sequence[str]], doc: str
    ) -> None:
        super().__init__(text, [value], value=value, doc=doc)
        self._offered = offered

    def get_choices(self) -> List[str]:
        """The choices, as CellProfiler asks for them."""
        return list(self._offered()) or [self.value]


class OptionSettings:
    """The settings of the options of a dataclass.

    Parameters
    ----------
    group : type
        See :mod:`micrograph_networks.options`.

    Attributes
    ----------
    by_name : dict of str to Setting
        By the names of the dataclass's fields; ``NAME_choice`` is whether a value is entered for an
        option that may be None.
    """

    def __init__(self, group: type) -> None:
        self._group = group
        self.by_name: Dict[str, Setting] = {}
        self._declared = {name: option for name, _, option in declared_options(group)}
        for name, default, option in declared_options(group):
            if option.absent:
                self.by_name[f"{name}_choice"] = _choice_of_value(option)
            self.by_name[name] = _setting(default, option, self._condition(option))

    def all(self) -> list:
        """All settings in the order in which they are saved, that of the fields."""
        return list(self.by_name.values())

    def visible(self) -> list:
        """Settings that matter now; those that a choice decides on follow it, side by side."""
        names = list(self.by_name)
        families = [self._family(name) for name in names]
        names.sort(key=lambda name: (families.index(self._family(name)), bool(self._used_if(name))))
        return [self.by_name[name] for name in names if self._is_used(name)]

    def options(self) -> Any:
        """The dataclass with the values of the settings.

        Raises
        ------
        UserError
            Two of them do not go together.
        """
        used = {name: self.by_name[name].value for name in self._declared if self._is_used(name)}
        absent = {name: None for name, option in self._declared.items() if option.absent}
        return self._group(**{**absent, **used})

    def _is_used(self, name: str) -> bool:
        choice = self.by_name.get(f"{name}_choice")
        if choice is not None and choice.value != ENTERED:
            return False
        condition = self._used_if(name)
        return condition is None or self.by_name[condition[0]].value == condition[1]

    def _used_if(self, name: str) -> Optional[Tuple[str, str]]:
        return self._declared[name].used_if if name in self._declared else None

    def _family(self, name: str) -> str:
        """The setting whose choice decides on one, else the setting itself."""
        condition = self._used_if(name)
        return condition[0] if condition else name

    def _condition(self, option: Option) -> str:
        """When a setting is used, as a paragraph for its help; empty if always."""
        if option.used_if is None:
            return ""
        other, choice = option.used_if
        return f'*(Used only if "{choice}" is selected for "{self._declared[other].label}")*\n\n'


def _setting(default: Any, option: Option, condition: str) -> Setting:
    if option.kind is bool:
        asked = option.help[0].lower() + option.help[1:]
        doc = f"{condition}Select *Yes* to {asked}\n\n{option.details}"
        return Binary(option.label, default, doc=doc)
    label, doc = option.label, condition + _doc(option)
    if option.choices:
        return Choice(label, list(option.choices), value=default, doc=doc)
    number = Integer if option.kind is int else Float
    if option.absent:
        label = f"Value in {option.unit}"
        doc = f"*(Used only if you enter a value)*\n\n{option.help}"
    default = option.suggested if default is None else default
    limits = {"minval": option.minimum, "maxval": option.maximum}
    return number(label, default, doc=doc, **limits)


def _choice_of_value(option: Option) -> Choice:
    return Choice(option.label, [LEFT_TO_MODULE, ENTERED], doc=option.details)


def _doc(option: Option) -> str:
    return f"{option.help}\n\n{option.details}"
