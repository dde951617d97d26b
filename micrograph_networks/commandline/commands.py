"""What all command lines share."""

import shlex
import sys
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Collection,
    Dict,
    Iterable,
    Iterator,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

import click
from tqdm import tqdm

from micrograph_networks import __version__
from micrograph_networks.errors import UserError, add_path_to_errors, explain_memory_errors
from micrograph_networks.files.tables import FORMATS
from micrograph_networks.files.writing import output_folder, run_lock
from micrograph_networks.models.registry import ShippedModel, shipped_models, verified_path

if TYPE_CHECKING:
    from micrograph_networks.export.bioimageio import ZooModel
    from micrograph_networks.images.planes import Plane

FILES = click.Path(path_type=Path)
"""The type of arguments that name files."""
SETTINGS = {"help_option_names": ["-h", "--help"]}
"""Of all commands."""
Result = TypeVar("Result")


class Commands(click.Group):
    """Print a user's mistake as one sentence and exit with 2."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(context)
        except UserError as error:
            raise click.UsageError(str(error)) from None


def example(text: str) -> str:
    """Examples at the end of a command's help, kept as they are laid out."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


def unique_stems(images: Iterable["Plane"]) -> None:
    """Refuse images whose results would have the same names.

    Parameters
    ----------
    images : iterable of Plane

    Raises
    ------
    UserError
        Two of them have the same stem.
    """
    seen: Dict[str, Plane] = {}
    for image in images:
        # Some systems do not tell capitals apart in names of files.
        stem = image.stem.casefold()
        if stem in seen:
            raise UserError(
                f"{seen[stem]} and {image} would write the same files: "
                "give them different folders for output."
            )
        seen[stem] = image


def run_folder(path: Path) -> Path:
    """Make the folder of a training, and keep it to the command at work until that ends.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path

    Raises
    ------
    UserError
        It cannot be made, or another training runs in it.
    """
    folder = output_folder(path)
    click.get_current_context().with_resource(run_lock(folder))
    return folder


def each_image(
    images: Sequence["Plane"], process: Callable[["Plane"], Result]
) -> Iterator[Tuple["Plane", Result]]:
    """Process images one after the other with a progress bar; name those that fail and go on.

    Parameters
    ----------
    images : list of Plane
    process : callable
        From an image to a result; a UserError that it raises is printed with the image's path.

    Yields
    ------
    (Plane, result)
        Of the images that did not fail.
    """
    for image in tqdm(images, unit="image", disable=None):
        try:
            with add_path_to_errors(image), explain_memory_errors():
                result = process(image)
        except UserError as error:
            tqdm.write(f"Error: {error}", file=sys.stderr)
        else:
            yield image, result


version_option = click.version_option(__version__)
images_argument = click.argument("images", nargs=-1, required=True, type=FILES)
model_option = click.option(
    "--model",
    "--weights",
    "model",
    help="Name of a shipped model, or a weights file of your own.",
    show_default="the newest shipped one",
)
license_option = click.option(
    "--license", default="", help="Of the images, to be kept in the weights file."
)
format_option = click.option(
    "--format",
    "suffix",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="Of the tables; parquet needs the extra [parquet].",
)


def output_option(holds: str) -> Callable[[Callable], Callable]:
    """Decorate a command with the folder that it writes to.

    Parameters
    ----------
    holds : str
        What is written, for the help.

    Returns
    -------
    callable
    """
    return click.option("--output", required=True, type=FILES, help=f"Folder for {holds}.")


def end_with(done: int, images: Sequence["Plane"]) -> None:
    """End a command with 1 if not all images were done.

    Parameters
    ----------
    done : int
    images : sequence of Plane
        Those that were given.
    """
    if done < len(images):
        raise click.exceptions.Exit(1)


def about_training(program: str, data: Any, license: str) -> Dict[str, Any]:
    """What a weights file keeps of the run that made it.

    Parameters
    ----------
    program : str
        Name of the command line, whose arguments are kept.
    data : object
        JSON value: name of the training data.
    license : str
        Of the data.

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
    """A command that lists and verifies the models that ship with a package.

    Parameters
    ----------
    program : str
        Name of the command line, for the examples.
    architectures : collection of str
        Of the networks that it runs.

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

        These are those of the installed package or, where CELLPROFILER_MODEL_DIR is set, of the
        folder that it names. The exit code is 1 if a file is missing or differs.
        """
        sound = [_describe(model) for model in shipped_models(architectures)]
        if not all(sound):
            raise click.exceptions.Exit(1)

    return models


def export_command(program: str, zoo_model: Callable[[Optional[str]], "ZooModel"]) -> click.Command:
    """Make a command that writes a model for other programs.

    Parameters
    ----------
    program : str
        Name of the command line, for the example.
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

            described = zoo_model(model)
        except ImportError as error:
            raise UserError(
                f"The export needs the package {error.name}: install it with "
                "'pip install \"cellprofiler-focus-darkfield[cpu,zoo]\"'."
            ) from None
        path = output_folder(output) / f"{described.name}.zip"
        write_package(path, described)
        click.echo(f"Wrote {path}")

    return export


def _describe(model: ShippedModel) -> bool:
    """Print what is known of a shipped model; False where its file is not in order."""
    click.echo(f"{model.name}\n  file     {model.path}\n  SHA-256  {model.sha256}")
    click.echo(f"  card     {model.card}\n  license  {model.license}")
    try:
        size = verified_path(model).stat().st_size
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return False
    click.echo(f"  size     {size} bytes\n  The file is there and has this SHA-256.")
    return True
