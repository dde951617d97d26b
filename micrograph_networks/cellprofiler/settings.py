"""CellProfiler settings made from the options that dataclasses declare."""

import itertools
import math
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Type

from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.setting import Binary, Setting, SettingsGroup, ValidationError
from cellprofiler_core.setting.choice import Choice
from cellprofiler_core.setting.text import Float, Integer

from micrograph_networks.options import Option, declared_options

LEFT_TO_MODULE = "Automatic"
ENTERED = "Enter a value"
"""Choices for an option that may be None."""


class LateChoice(Choice):
    """A choice whose values depend on another setting, such as the model.

    Parameters
    ----------
    text, value, doc : str
        As for Choice.
    offered : callable
        Function that returns the current choices, or nothing if they are not known.
    """

    def __init__(
        self, text: str, value: str, offered: Callable[[], Sequence[str]], doc: str
    ) -> None:
        super().__init__(text, [value], value=value, doc=doc)
        self._offered = offered

    def get_choices(self) -> List[str]:
        """Return the current choices."""
        return list(self._offered()) or [self.value]


class OptionSettings:
    """Settings of the options of a dataclass.

    Parameters
    ----------
    group : type
        Dataclass with options, see :mod:`micrograph_networks.options`.

    Attributes
    ----------
    by_name : dict of str to Setting
        Settings by the names of the dataclass's fields. An option that may be None has a second
        one, ``NAME_choice``: automatic, or a value that the user enters.
    """

    def __init__(self, group: type) -> None:
        self._group = group
        self.by_name: Dict[str, Setting] = {}
        self._declared = {name: option for name, _, option in declared_options(group)}
        for name, default, option in declared_options(group):
            if option.absent:
                choices = [LEFT_TO_MODULE, ENTERED]
                self.by_name[f"{name}_choice"] = Choice(option.label, choices, doc=option.details)
            self.by_name[name] = _setting(default, option, self._used_only(option))

    def all(self) -> List[Setting]:
        """Return all settings in the order in which pipelines save them, that of the fields."""
        return list(self.by_name.values())

    def visible(self) -> List[Setting]:
        """Return the settings that are used now. Those that depend on a choice follow it."""
        names = list(self.by_name)
        parents = [self._parent(name) for name in names]
        names.sort(key=lambda name: (parents.index(self._parent(name)), bool(self._used_if(name))))
        return [self.by_name[name] for name in names if self._is_used(name)]

    def options(self) -> Any:
        """Return the dataclass with the values of the settings.

        Raises
        ------
        UserError
            Values contradict each other.
        """
        used = {name: self.value(name) for name in self._declared if self._is_used(name)}
        absent = {name: None for name, option in self._declared.items() if option.absent}
        return self._group(**{**absent, **used})

    def value(self, name: str) -> Any:
        """Return the value of an option, whose setting may show another text."""
        value, option = self.by_name[name].value, self._declared[name]
        return dict(zip(option.shown, option.choices)).get(value, value)

    def _is_used(self, name: str) -> bool:
        choice = self.by_name.get(f"{name}_choice")
        if choice is not None and choice.value != ENTERED:
            return False
        condition = self._used_if(name)
        return condition is None or self.value(condition[0]) == condition[1]

    def _used_if(self, name: str) -> Optional[Tuple[str, str]]:
        return self._declared[name].used_if if name in self._declared else None

    def _parent(self, name: str) -> str:
        """Return the name of the setting that a setting depends on, or its own name."""
        condition = self._used_if(name)
        return condition[0] if condition else name

    def _used_only(self, option: Option) -> str:
        """Return a paragraph of help that says when a setting is used; empty if always."""
        if option.used_if is None:
            return ""
        name, choice = option.used_if
        other = self._declared[name]
        choice = shown_choices(other)[choice]
        return f'*(Used only if "{choice}" is selected for "{other.label}")*\n\n'


def shown_choices(option: Option) -> Dict[str, str]:
    """Return the text of each choice of an option in CellProfiler."""
    return dict(zip(option.choices, option.shown or option.choices))


def _setting(default: Any, option: Option, used_only: str) -> Setting:
    doc = f"{used_only}{option.help}\n\n{option.details}"
    if option.kind is bool:
        action = option.help[0].lower() + option.help[1:]
        doc = f"{used_only}Select *Yes* to {action}\n\n{option.details}"
        return Binary(option.label, default, doc=doc)
    if option.choices:
        shown = shown_choices(option)
        return Choice(option.label, list(shown.values()), value=shown[default], doc=doc)
    label = option.label
    if option.absent:
        label = option.entered
        doc = f"*(Used only if you enter a value)*\n\n{option.help}"
    number = Integer if option.kind is int else _FiniteFloat
    value = option.suggested if default is None else default
    return number(label, value, doc=doc, minval=option.minimum, maxval=option.maximum)


class _FiniteFloat(Float):
    """Number that is neither NaN, which a minimum and maximum let pass, nor infinite."""

    def test_valid(self, pipeline: Optional[Pipeline]) -> None:
        super().test_valid(pipeline)
        if not math.isfinite(self.value):
            raise ValidationError(f"{self.value_text} is not a number", self)


Output = Tuple[str, str, Type[Setting], str, str, str]
"""Optional output: attribute, question, type, text, default, and help of the output's name."""


class OutputGroup(SettingsGroup):
    """A group of settings with optional outputs: a question and a name for each."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: List[Tuple[Binary, Setting]] = []

    def append_outputs(
        self, outputs: Iterable[Output], word: str, others: Iterable["OutputGroup"]
    ) -> None:
        """Append the settings of outputs, with ``word`` instead of ``{}`` in the default names.

        They become the attributes ``wants_ATTRIBUTE`` and ``ATTRIBUTE_name`` of the group. Their
        default names differ from the names in the other groups.
        """
        used = [name for group in others for _, name in group._outputs]
        for attribute, question, kind, text, default, doc in outputs:
            used_only = f'*(Used only if "Yes" is selected for "{question}")*'
            wanted = Binary(question, False, doc=doc)
            value = unused_name(default.format(word), used)
            name = kind(text, value, doc=f"{used_only}\n\nEnter a name for it.")
            self.append(f"wants_{attribute}", wanted)
            self.append(f"{attribute}_name", name)
            self._outputs.append((wanted, name))

    def visible_settings(self) -> List[Setting]:
        """Return all settings except the names of outputs that the user does not want."""
        hidden = [id(name) for wanted, name in self._outputs if not wanted.value]
        return [setting for setting in self.settings if id(setting) not in hidden]

    def wanted_outputs(self) -> List[Setting]:
        """Return the names of the outputs that the user wants."""
        return [name for wanted, name in self._outputs if wanted.value]


MOST_GROUPS = 20
"""Maximum number of groups of settings, such as images or classes, in a module."""


def saved_count(setting_values: Sequence[str], position: int, what: str) -> int:
    """Return the number of groups that a pipeline has saved at a position.

    Parameters
    ----------
    setting_values : sequence of str
    position : int
    what : str
        Plural of the groups, such as ``images``.

    Raises
    ------
    ValueError
        The value is not a number from 1 to MOST_GROUPS.
    """
    value = "".join(setting_values[position : position + 1])
    if value not in map(str, range(1, MOST_GROUPS + 1)):
        raise ValueError(
            f"'{value[:20]}' is not a number of {what} from 1 to {MOST_GROUPS}: the saved settings "
            "are damaged."
        )
    return int(value)


def unused_name(name: str, used: Iterable[Setting]) -> str:
    """Return the name, with the lowest number from 2 on if it is used, in any case."""
    taken = {setting.value.casefold() for setting in used}
    candidates = itertools.chain([name], (f"{name}{number}" for number in itertools.count(2)))
    return next(one for one in candidates if one.casefold() not in taken)


def check_distinct(settings: Iterable[Setting]) -> None:
    """Raise ValidationError at a setting that has the value of an earlier one."""
    seen = set()
    for setting in settings:
        if setting.value in seen:
            raise ValidationError(f"{setting.value} has already been used above", setting)
        seen.add(setting.value)
