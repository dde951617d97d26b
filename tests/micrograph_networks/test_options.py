from dataclasses import dataclass
from typing import Optional

import click
import pytest
from click.testing import CliRunner

from micrograph_networks.commandline.options import options_of
from micrograph_networks.errors import UserError
from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class Toy(Checked):
    """Options of all kinds."""

    count: int = option(3, "Count", "How many.", minimum=1, maximum=9)
    share: float = option(0.5, "Share", "How much.", minimum=0, maximum=1)
    least: int = option(0, "Least", "At least.", minimum=0)
    mode: str = option("mean", "Mode", "Which.", choices=("mean", "sum"))
    wanted: bool = option(True, "Wanted?", "Whether.", flag="want")
    width: Optional[float] = option(
        None, "Width", "How wide.", kind=float, minimum=1, maximum=5, absent="as found"
    )


@dataclass(frozen=True)
class Rescaled(Checked):
    """Options that are used with one choice of another option."""

    factor: float = option(1.0, "Factor", "By how much.", minimum=0, used_if=("mode", "factor"))
    mode: str = option("factor", "Mode", "Which.", choices=("factor", "lens"))
    size: Optional[float] = option(
        None, "Size", "How large.", kind=float, minimum=1, suggested=3, used_if=("mode", "lens")
    )


@pytest.mark.parametrize(
    "options, wrong, message",
    [
        (Toy, {"count": 0}, "'Count' must be a whole number from 1 to 9, not 0."),
        (Toy, {"count": 2.5}, "'Count' must be a whole number from 1 to 9, not 2.5."),
        (Toy, {"count": True}, "'Count' must be a whole number from 1 to 9, not True."),
        (Toy, {"share": float("nan")}, "'Share' must be a number from 0 to 1, not nan."),
        (Toy, {"share": "x"}, "'Share' must be a number from 0 to 1, not x."),
        (Toy, {"least": -1}, "'Least' must be a whole number of 0 or more, not -1."),
        (Toy, {"mode": "max"}, "'Mode' must be one of mean, sum, not max."),
        (Toy, {"wanted": 1}, "'Wanted?' must be True or False, not 1."),
        (Toy, {"width": 6}, "'Width' must be a number from 1 to 5, not 6."),
        (Rescaled, {"mode": "lens"}, "'Size' has to be given: a number of 1 or more."),
        (Rescaled, {"mode": "lens", "size": 0.5}, "'Size' must be a number of 1 or more, not 0.5."),
        (
            Rescaled,
            {"mode": "lens", "size": 3, "factor": 2},
            "'Factor' is used only if 'Mode' is factor: choose that, or leave it out.",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(options, wrong, message):
    with pytest.raises(UserError) as error:
        options(**wrong)
    assert str(error.value) == message


@click.command()
@options_of("toy", Toy)
def command(toy):
    click.echo(repr(toy))


def test_the_command_line_has_the_same_defaults_and_ranges():
    assert CliRunner().invoke(command).output == f"{Toy()!r}\n"
    given = ["--count", "4", "--mode", "sum", "--no-want", "--width", "2"]
    expected = Toy(count=4, mode="sum", wanted=False, width=2.0)
    assert CliRunner().invoke(command, given).output == f"{expected!r}\n"
    for wrong in (["--count", "10"], ["--mode", "max"], ["--width", "0"]):
        assert CliRunner().invoke(command, wrong).exit_code == 2
    help = CliRunner().invoke(command, ["--help"]).output
    assert "[default: (as found)" in help.replace("\n", " ")


def test_the_command_line_says_to_which_choice_an_option_belongs():
    @click.command()
    @options_of("rescaled", Rescaled)
    def rescale(rescaled):
        click.echo(repr(rescaled))

    given = ["--mode", "lens", "--size", "2"]
    assert CliRunner().invoke(rescale, given).output == f"{Rescaled(mode='lens', size=2.0)!r}\n"
    assert "Only with --mode lens." in CliRunner().invoke(rescale, ["--help"]).output
    refused = CliRunner().invoke(rescale, ["--size", "2"])
    assert str(refused.exception).startswith("--size is used only if --mode is lens")
