"""Options of the command line, made of those that dataclasses declare."""

import functools
from typing import Any, Callable

import click

from micrograph_networks.options import Option, declared_options


def options_of(argument: str, group: type) -> Callable[[Callable], Callable]:
    """Decorate a command with the options that a dataclass declares.

    Parameters
    ----------
    argument : str
        The argument of the command that gets an instance of the dataclass.
    group : type
        See :mod:`micrograph_networks.options`.

    Returns
    -------
    callable
    """
    declared = list(declared_options(group))

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def with_options(*arguments: Any, **values: Any) -> Any:
            chosen = {name: values.pop(name) for name, _, _ in declared}
            return command(*arguments, **{argument: group(**chosen)}, **values)

        for name, default, option in reversed(declared):
            with_options = _click_option(name, default, option)(with_options)
        return with_options

    return decorate


def _click_option(name: str, default: Any, option: Option) -> Callable:
    flag = option.flag or name.replace("_", "-")
    if option.kind is bool:
        spelled, kind = f"--{flag}/--no-{flag}", None
    else:
        spelled, kind = f"--{flag}", _click_type(option)
    shown = option.absent or True
    help = option.help
    if option.used_if:
        other, choice = option.used_if
        help += f" For --{other.replace('_', '-')} {choice}."
    return click.option(spelled, name, type=kind, default=default, show_default=shown, help=help)


def _click_type(option: Option) -> click.ParamType:
    if option.choices:
        return click.Choice(option.choices)
    limits = click.IntRange if option.kind is int else click.FloatRange
    return limits(option.minimum, option.maximum)
