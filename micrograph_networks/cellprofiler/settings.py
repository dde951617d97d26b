"""CellProfiler settings made of the options that dataclasses declare."""

from typing import Any, Callable, Dict, List, Sequence

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
        for name, default, option in declared_options(group):
            if option.absent:
                self.by_name[f"{name}_choice"] = _choice_of_value(option)
            self.by_name[name] = _setting(default, option)

    def all(self) -> list:
        """All settings in the order in which they are saved, that of the fields."""
        return list(self.by_name.values())

    def visible(self) -> list:
        """Settings that matter now."""
        return [setting for name, setting in self.by_name.items() if self._is_used(name)]

    def options(self) -> Any:
        """The dataclass with the values of the settings."""
        return self._group(
            **{
                name: self.by_name[name].value if self._is_used(name) else None
                for name, _, _ in declared_options(self._group)
            }
        )

    def _is_used(self, name: str) -> bool:
        choice = self.by_name.get(f"{name}_choice")
        return choice is None or choice.value == ENTERED


def _setting(default: Any, option: Option) -> Setting:
    if option.kind is bool:
        asked = option.help[0].lower() + option.help[1:]
        return Binary(option.label, default, doc=f"Select *Yes* to {asked}\n\n{option.details}")
    if option.choices:
        return Choice(option.label, list(option.choices), value=default, doc=_doc(option))
    number = Integer if option.kind is int else Float
    label, doc = option.label, _doc(option)
    if option.absent:
        label, default = f"Value in {option.unit}", option.suggested
        doc = f"*(Used only if you enter a value)*\n\n{option.help}"
    limits = {"minval": option.minimum, "maxval": option.maximum}
    return number(label, default, doc=doc, **limits)


def _choice_of_value(option: Option) -> Choice:
    return Choice(option.label, [LEFT_TO_MODULE, ENTERED], doc=option.details)


def _doc(option: Option) -> str:
    return f"{option.help}\n\n{option.details}"
