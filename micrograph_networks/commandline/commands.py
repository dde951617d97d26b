"""Options, commands and helpers that all command lines share."""

import contextlib
import functools
import math
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Collection,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

import click
from tqdm import tqdm

from micrograph_networks import __version__
from micrograph_networks.cpus import cpu_share
from micrograph_networks.engines import EngineOptions, chosen_engine
from micrograph_networks.errors import UserError, add_path_to_errors, explain_memory_errors
from micrograph_networks.files.ownership import check_replaceable, find_earlier, writing_as
from micrograph_networks.files.tables import FORMATS
from micrograph_networks.files.writing import output_folder, run_lock
from micrograph_networks.models.registry import (
    ShippedModel,
    read_card,
    shipped_models,
    verified_content,
)
from micrograph_networks.progress import follow

if TYPE_CHECKING:
    from micrograph_networks.commandline.images import InputImage
    from micrograph_networks.export.bioimageio import ZooModel
    from micrograph_networks.models.weights_file import Networks


class _Files(click.Path):
    """Path. An empty text, such as of an unset variable, is not the current folder."""

    def convert(self, value: Any, *context: Any) -> Any:
        """Return the path, or fail."""
        if value == "":
            self.fail("the path is empty.", *context)
        return super().convert(value, *context)


class Number(click.FloatRange):
    """Number within a range. NaN and infinity are not numbers."""

    def convert(self, value: Any, *context: Any) -> Any:
        """Return the number, or fail."""
        number = super().convert(value, *context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a number.", *context)
        return number


FILES = _Files(path_type=Path)
"""Type of arguments and options that are paths."""
SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
"""Click's settings for all commands."""
Result = TypeVar("Result")


class Commands(click.Group):
    """Group of commands that prints an error of the user or of a file as one sentence.

    The exit code is then 2.
    """

    def invoke(self, context: click.Context) -> Any:
        """Run the chosen command."""
        # A console may lack characters of file names, which are then printed as escapes.
        with contextlib.suppress(AttributeError):  # of other streams, as in a notebook
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.UsageError(str(error)) from None
        except OSError as error:
            if error.filename is None:  # not of a file, such as a pipe that is closed
                raise
            raise click.UsageError(
                f"{error.filename} cannot be used ({error.strerror}): check the path and its "
                "permissions."
            ) from error


def example(text: str) -> str:
    """Format examples for the end of a command's help, with their line breaks."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


def prepare_outputs(folder: Path, paths: Sequence[Path], pictures: Sequence[str] = ()) -> Path:
    """Check that the running command may write some files, and make their folders.

    Parameters
    ----------
    folder : Path
        Output folder.
    paths : sequence of Path
        All files that the command will write, in the folder and in subfolders.
    pictures : sequence of str
        Wildcard patterns of the names of pictures that
        :func:`micrograph_networks.files.ownership.remove_earlier` is to remove.

    Returns
    -------
    Path
        The output folder.

    Raises
    ------
    UserError
        Two paths are equal, a file exists that the command did not write, or a folder cannot be
        made.
    """
    counts = Counter(str(path).casefold() for path in paths)
    for path in paths:
        # Some file systems do not distinguish capitals.
        if counts[str(path).casefold()] > 1:
            raise UserError(f"{path} would be written twice: run the command once for each.")
    check_replaceable(paths)
    folders = sorted({folder, *(path.parent for path in paths)})
    for parent in folders:
        output_folder(parent)
    find_earlier(folders, pictures)
    return folder


def run_folder(path: Path) -> Path:
    """Make the folder of a training, and lock it until the command ends.

    Parameters
    ----------
    path : Path

    Raises
    ------
    UserError
        The folder cannot be made, or another training runs in it.
    """
    folder = output_folder(path)
    click.get_current_context().with_resource(run_lock(folder))
    return folder


def each_image(
    images: Sequence["InputImage"], process: Callable[["InputImage"], Result]
) -> Iterator[Tuple["InputImage", Result]]:
    """Process images with a progress bar; print the errors of those that fail, and continue.

    Parameters
    ----------
    images : sequence of InputImage
    process : callable
        Function from an image to a result. Its UserErrors are printed with the image's path.

    Yields
    ------
    InputImage, result
        Images that did not fail, and their results.

    Raises
    ------
    click.exceptions.Exit
        All images failed. Tables that are open are not written.
    """
    failed = 0
    for image in follow(images, "image"):
        try:
            with add_path_to_errors(image), explain_memory_errors():
                result = process(image)
        except UserError as error:
            tqdm.write(f"Error: {error}", file=sys.stderr)
            failed += 1
        else:
            yield image, result
    if failed == len(images):
        click.echo("Every image failed: nothing was written.")
        raise click.exceptions.Exit(1)


images_argument = click.argument("images", nargs=-1, required=True, type=FILES)
model_option = click.option(
    "--model",
    help="Name of a shipped model, or path of a weights file. The command 'models' lists names.",
    show_default="the newest shipped model",
)
license_option = click.option(
    "--license",
    default="",
    help="License of the images, such as CC0-1.0, which is saved in the weights file.",
    show_default="none",
)
format_option = click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    help="File format of the tables; parquet needs the extra [parquet].",
)


def _suffix(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[\w .,+=@-]*", value):
        raise click.BadParameter("it may have letters, digits, blanks and . , + = @ - _.")
    return value


suffix_option = click.option(
    "--suffix",
    default="",
    show_default="none",
    callback=_suffix,
    help="Text at the end of the names of all files that are written, before .csv, .png and so "
    "on: results of several runs can be in one folder.",
)
mask_option = click.option(
    "--mask",
    type=FILES,
    show_default="whole images",
    help="Folder of masks, such as tissue or wells, with the names and subfolders of the images. "
    "Pixels that are 0 in the mask do not count.",
)


def version_option(architectures: Collection[str]) -> Callable[[Callable], Callable]:
    """Make the decorator that prints version, engine and models of the networks' program."""

    def show(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            names = [model.name for model in shipped_models(architectures)]
            click.echo(f"{context.command.name} {__version__}")
            click.echo(f"Engine: {chosen_engine(EngineOptions())}")
            click.echo(f"Models: {', '.join(names)}; {names[-1]} is the default")
            context.exit()

    help = "Show the version, the engine and the models, and exit."
    options: Dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}
    return click.option("--version", callback=show, help=help, **options)


def seed_option(help: str) -> Callable[[Callable], Callable]:
    """Make the decorator for the seed of a command."""
    return click.option("--seed", type=click.IntRange(0), default=0, help=help)


def workers_option(help: str) -> Callable[[Callable], Callable]:
    """Make the decorator for the number of processes of a command."""
    return click.option(
        "--workers",
        type=click.IntRange(1),
        default=cpu_share,
        show_default="the CPUs of this job",
        help=help,
    )


def output_option(holds: str, owns_folder: bool = False) -> Callable[[Callable], Callable]:
    """Make the decorator for the output folder of a command.

    It also marks the files that the command writes, see
    ``micrograph_networks.files.ownership``.

    Parameters
    ----------
    holds : str
        Description of the output, for the help.
    owns_folder : bool
        True if the command has the folder for itself.

    Returns
    -------
    callable
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def mark_files(*arguments: Any, **values: Any) -> Any:
            context: Optional[click.Context] = click.get_current_context()
            names: List[str] = []
            while context:
                names.insert(0, str(context.command.name))
                context = context.parent
            with writing_as(" ".join(names), owns_folder):
                return command(*arguments, **values)

        option = click.option("--output", required=True, type=FILES, help=f"Folder for {holds}.")
        return option(mark_files)

    return decorate


def exit_if_incomplete(done: int, images: Sequence["InputImage"]) -> None:
    """Exit with 1 if some images failed.

    Parameters
    ----------
    done : int
        Number of images without errors.
    images : sequence of InputImage
        All images.
    """
    if done < len(images):
        raise click.exceptions.Exit(1)


def about_training(program: str, data: Any, license: str) -> Dict[str, Any]:
    """Return attributes that describe the training in a weights file.

    Parameters
    ----------
    program : str
        Name of the command line.
    data : object
        Name of the training data, or another JSON value.
    license : str
        License of the data.

    Returns
    -------
    dict of str to object
    """
    return {
        "training_data": data,
        "training_data_license": license,
        "training_command": " ".join(map(shlex.quote, [program, *sys.argv[1:]])),
    }


def models_command(program: str, architectures: Collection[str]) -> click.Command:
    """Make a command that lists and verifies the shipped models.

    Parameters
    ----------
    program : str
        Name of the command line, for the examples.
    architectures : collection of str
        Architectures of the networks that the program runs.

    Returns
    -------
    click.Command
    """

    @click.command(
        epilog=example(
            f"{program} models\nCELLPROFILER_MODEL_DIR=/data/model_weights {program} models"
        )
    )
    def models() -> None:
        """List the shipped models, the newest last, and verify their weights files.

        The weights files are in the installed package or, if the environment variable
        CELLPROFILER_MODEL_DIR is set, in the folder that it names. The exit code is 1 if a file is
        missing or has another SHA-256.
        """
        intact = [_describe(model) for model in shipped_models(architectures)]
        if not all(intact):
            raise click.exceptions.Exit(1)

    return models


def export_command(
    program: str, networks: "Networks", zoo_model: Callable[[Optional[str]], "ZooModel"]
) -> click.Command:
    """Make a command that writes a model for other programs.

    Parameters
    ----------
    program : str
        Name of the command line, for the example.
    networks : Networks
        Networks that the program runs.
    zoo_model : callable
        Function from the name of a model (None for the newest) to its description.

    Returns
    -------
    click.Command
    """

    @click.command(epilog=example(f"{program} export --output zoo"))
    @output_option("the package")
    @model_option
    def export(output: Path, model: Optional[str]) -> None:
        """Write a model for other programs.

        OUTPUT/MODEL.zip is a package by version 0.5 of bioimage.io's specification, with ONNX
        weights, and a TensorFlow SavedModel for Fiji's deepImageJ. This command needs the extras
        [zoo] and [cpu].
        """
        try:
            from micrograph_networks.export.bioimageio import write_package

            path = write_package(output_folder(output), model, networks, zoo_model(model))
        except ImportError as error:
            raise UserError(
                f"The export needs the package {error.name}: install it with "
                "'pip install \"cellprofiler-focus-darkfield[cpu,zoo]\"'."
            ) from None
        click.echo(f"Wrote {path}")

    return export


def _describe(model: ShippedModel) -> bool:
    """Print the properties of a shipped model. Return False if its weights file is not intact."""
    click.echo(f"{model.name}\n  file     {model.path}\n  SHA-256  {model.sha256}")
    click.echo(f"  card     {model.card}\n  license  {model.license}")
    try:
        size = len(verified_content(model))
        read_card(model)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return False
    click.echo(f"  size     {size} bytes\n  The file is there and has this SHA-256.")
    return True
