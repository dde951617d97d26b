"""Command-line options of the options that dataclasses declare."""

import functools
from typing import Any, Callable, Dict, Optional

import click
from click.core import ParameterSource

from micrograph_networks.commandline.commands import Number
from micrograph_networks.errors import UserError
from micrograph_networks.options import Option, declared_options


def options_of(
    argument: str, group: type, make: Optional[Callable[[Dict[str, Any]], Any]] = None
) -> Callable[[Callable], Callable]:
    """Decorate a command with the options that a dataclass declares.

    Parameters
    ----------
    argument : str
        Name of the command's argument that receives an instance of the dataclass.
    group : type
        Dataclass, see :mod:`micrograph_networks.options`.
    make : callable, optional
        Function from the values that the user gave, by the names of the fields, to what the
        argument receives instead.

    Returns
    -------
    callable
    """
    declared = list(declared_options(group))

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def with_options(*arguments: Any, **values: Any) -> Any:
            chosen = {name: values.pop(name) for name, _, _ in declared}
            source = click.get_current_context().get_parameter_source
            given = {n: v for n, v in chosen.items() if source(n) != ParameterSource.DEFAULT}
            try:
                options = make(given) if make else group(**given)
            except UserError as error:
                message = str(error)
                for name, _, option in declared:
                    message = message.replace(f"'{option.label}'", f"--{_flag(name, option)}")
                raise UserError(message) from None
            return command(*arguments, **{argument: options}, **values)

        for name, default, option in reversed(declared):
            with_options = _click_option(name, default, option)(with_options)
        return with_options

    return decorate


def _flag(name: str, option: Option) -> str:
    return option.flag or name.replace("_", "-")


def _click_option(name: str, default: Any, option: Option) -> Callable:
    flag = _flag(name, option)
    help = option.help
    if option.used_if:
        other, choice = option.used_if
        help += f" Only with --{other.replace('_', '-')} {choice}."
    if option.kind is bool:
        return click.option(f"--{flag}/--no-{flag}", name, default=default, help=help)
    shown = option.absent or True
    kind = _click_type(option)
    return click.option(
        f"--{flag}", name, type=kind, default=default, show_default=shown, help=help
    )


def _click_type(option: Option) -> click.ParamType:
    if option.choices:
        return click.Choice(option.choices)
    if option.kind is int:
        return click.IntRange(option.minimum, option.maximum)
    return Number(option.minimum, option.maximum)
